"""Given to `dask worker --preload`: makes that worker another machine, by what ODD_WORKER says.

differs: has another OpenCV. slow: takes its time. blind: does not see the archive. rounds: gives other last
digits. dies: is killed with its process at an image called so.
"""

import os
import signal
import time
from pathlib import Path

from alledge.scanning import cluster_worker, process
from alledge.scanning.settings import software_here
from alledge.scanning.work import Answer, Task

WHAT = os.environ["ODD_WORKER"]
looked_at = cluster_worker._looked_at


def other_software(*, with_runtime: bool) -> dict[str, str]:
    return software_here(with_runtime=with_runtime) | {"version of OpenCV": "4.5.5"}


def dies(order: bytes, task: Task) -> Answer:
    if "dies" in Path(task.path).name:
        os.kill(os.getpid(), signal.SIGKILL)
    return looked_at(order, task)


def slow(order: bytes, task: Task) -> Answer:
    time.sleep(0.1)
    return looked_at(order, task)


if WHAT == "differs":
    cluster_worker.software_here = other_software
elif WHAT == "slow":
    cluster_worker._looked_at = slow
elif WHAT == "dies":
    cluster_worker._looked_at = dies
else:
    process.MODULE = "tests.system.odd_image_process"
