"""The process that looks at images: tasks in on stdin, answers out on stdout, one at a time.

A process and not a thread, so that an image which makes a library crash or eats the memory takes
one worker with it and not the scan. It ends when its stdin ends: a scan that is killed leaves none behind.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import cv2

from alledge.errors import AllscopeError, ImageUnreadable, PathUnusable
from alledge.field_json import field_to_json
from alledge.images import decode_image, read_image_file
from alledge.pipeline import FieldModel, analyse_field, load_field_model
from alledge.scanning.refusals import ScanDiffers, told_error
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Answer, Identity, Task, error_answer, stat_identity
from alledge.snap import write_field
from alledge.types import Frame, Verdict

ORPHAN_S = 900  # the kernel ends a process that hangs, should nobody be left who would
READY = b"ready\n"
STOP = b"stop "
SACRIFICE = (
    "500"  # of -1000 to 1000: when memory runs out the kernel takes a worker, not what keeps the results
)
_OOM_SCORE = Path("/proc/self/oom_score_adj")


def look_at(task: Task, settings: ScanSettings, model: FieldModel | None) -> Answer:
    """The line for one image. Whatever is wrong with the image is the line.

    Raises StorageFailed when its picture cannot be written: then the next one cannot either.
    """
    path = Path(task.path)
    identity = stat_identity(path)
    try:
        data = read_image_file(path)
        identity = Identity(len(data), identity.mtime_ns, hashlib.sha256(data).hexdigest())
        frame = Frame(pixels=decode_image(path, data), source=task.path)
        result = analyse_field(frame, model, settings.pixel_um)
        if settings.pictures is not None:
            write_field(frame, result, model, settings.pictures, task.picture)
    except (ImageUnreadable, PathUnusable) as error:
        return error_answer(task, identity, error.code, str(error))
    except AllscopeError:
        raise
    except Exception as error:  # noqa: BLE001 - told in the image's line; the others go on
        return error_answer(
            task, identity, "analysis-failed", f"{task.path}: {type(error).__name__}: {error}"
        )
    is_refused = result.quality.verdict is not Verdict.OK
    return Answer(task.index, identity, field_to_json(result), len(result.cells), is_refused)


def serve(tasks: BinaryIO, say: Callable[[bytes], None]) -> None:
    """Settings, then tasks, a line each, until there are no more; an error of no image is said last."""
    try:
        settings = settings_from_line(tasks.readline())
        model = _open_model(settings)
        say(READY)
        for line in tasks:
            signal.alarm(ORPHAN_S)
            answer = look_at(Task.from_line(line), settings, model)
            signal.alarm(0)
            say(answer.to_line())
    except AllscopeError as error:
        say(STOP + told_error(error) + b"\n")


def settings_to_line(settings: ScanSettings) -> bytes:
    """As a line, with its newline."""
    told = {
        "model": str(settings.model) if settings.model else None,
        "model_sha256": settings.model_sha256,
        "pixel_um": settings.pixel_um,
        "pictures": str(settings.pictures) if settings.pictures else None,
    }
    return f"{json.dumps(told)}\n".encode()


def settings_from_line(line: bytes) -> ScanSettings:
    """What `settings_to_line` wrote."""
    told = json.loads(line)
    model, pictures = (Path(told[name]) if told[name] else None for name in ("model", "pictures"))
    return ScanSettings(model, told["model_sha256"], told["pixel_um"], pictures)


def _open_model(settings: ScanSettings) -> FieldModel | None:
    if settings.model is None:
        return None
    model = load_field_model(settings.model)
    if model.classifier.identity.sha256 != settings.model_sha256:
        raise ScanDiffers(f"{settings.model} was exchanged during the scan.", "Scan again from the start.")
    return model


def main() -> None:
    """Entry point of `python -m alledge.scanning.worker`."""
    with contextlib.suppress(OSError):
        _OOM_SCORE.write_text(SACRIFICE)
    cv2.setNumThreads(1)  # the other cores have workers of their own
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not be taken for an answer

    def say(line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[answers.write(left) :]

    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, say)


if __name__ == "__main__":
    main()
