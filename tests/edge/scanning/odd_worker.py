"""A worker that does what the name of an image says: die, hang, do either once, be slow, say much.

It runs in the place of `alledge.scanning.worker`, as a process of its own.
"""

import os
import signal
import time
from pathlib import Path

from alledge.pipeline import FieldModel
from alledge.scanning import worker
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Answer, Identity, Task

MUCH = 100_000


def look_at(task: Task, settings: ScanSettings, model: FieldModel | None) -> Answer:
    path = Path(task.path)
    first_time = path.with_suffix(".tried")
    if "dies-once" in path.name and not first_time.exists():
        first_time.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if "dies-always" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hangs-once" in path.name and not first_time.exists():
        first_time.touch()
        time.sleep(3600)
    if "hangs-always" in path.name:
        time.sleep(3600)
    if "slow" in path.name:
        time.sleep(1.5)
    if "raises" in path.name:
        raise ZeroDivisionError
    text = "x" * MUCH if "much" in path.name else path.name
    return Answer(task.index, Identity(1, 1, None), f'{{"source": "{text}"}}')


if __name__ == "__main__":
    if os.environ.get("ODD_START") == "hangs":
        time.sleep(3600)
    worker.ORPHAN_S = int(os.environ.get("ODD_ORPHAN_S", worker.ORPHAN_S))
    worker.look_at = look_at
    worker.main()
