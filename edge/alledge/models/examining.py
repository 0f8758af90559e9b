"""Does a model keep its word on this device? Its file, its card, and its golden vectors on the runtime here.

A process of its own looks first, with limits on memory and time: a file can be built to fill the memory of
whoever reads it, to take a runtime down or to compute for ever, and what installs must be there to say so.
`python -m alledge.models.examining FILE` is that process.
"""

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from alledge.card import Card
from alledge.classifier import installed_runtimes, open_classifier
from alledge.durable import write_whole
from alledge.errors import (
    AllscopeError,
    ClassifierFailed,
    ModelDamaged,
    ModelLabelsDiffer,
    ModelNotInt8,
    ModelUnreadable,
    PathUnusable,
    RuntimeMissing,
    SelfTestFailed,
)
from alledge.illumination import ILLUMINATION_VERSION
from alledge.model_file import ModelFile, parse_model, read_model
from alledge.models.refusals import ExaminationBroke, ModelTooSlow, PatchContractDiffers, SoftwareTooOld
from alledge.models.release import Release, hold_to_card, software_order
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.plain import plain
from alledge.programs import run_program
from alledge.service.sentinel import self_test

Prover: TypeAlias = Callable[[Path], None]
"""Reads a model file and asks its golden vectors. Raises what `alledge.model_file` has for files that are no
models, SelfTestFailed, ModelTooSlow, ExaminationBroke or RuntimeMissing."""

REFUSED_STATUS: Final = 3
PROVEN: Final = "as it must"
"""What the process says at the end: an end without words, though of status 0, proves nothing."""

LIMIT_S: Final = 300.0
LIMIT_BYTES: Final = 768 * 2**20
"""Memory that reading and asking a model may take; a file may be 64 MiB, and so may its golden vectors."""

PUBLISHED_AGAIN: Final = "Tell who publishes it; the model that served goes on serving."
ANSWERS: Final = {
    kind.code: kind
    for kind in (
        ClassifierFailed,
        ModelDamaged,
        ModelLabelsDiffer,
        ModelNotInt8,
        ModelTooSlow,
        ModelUnreadable,
        PathUnusable,
        RuntimeMissing,
        SelfTestFailed,
    )
}
SLOWEST_S: Final = 0.1
"""Processor time a patch. Networks for devices take milliseconds; a field may have fifty cells."""

DEVICE_PATCH: Final = {
    "um": f"{PATCH_UM}",
    "px": f"{PATCH_PX}",
    "colour_order": "RGB",
    "illumination_version": ILLUMINATION_VERSION,
}


def hold_to_device(release: Release, software: str) -> None:
    """What the signed description alone decides. software: version of allscope here.

    Raises SoftwareTooOld, PatchContractDiffers.
    """
    if software_order(software) < software_order(release.min_software):
        raise SoftwareTooOld(
            f"{release.target} needs allscope {release.min_software}, this is {software}.",
            "Update allscope first.",
        )
    if dict(release.patch) != DEVICE_PATCH:
        told = ", ".join(release.patch.values())
        raise PatchContractDiffers(
            f"{release.target} wants patches of {told}; this device cuts {', '.join(DEVICE_PATCH.values())}.",
            "Use a model that was fitted for this version of allscope.",
        )


def examine(data: bytes, release: Release, aside: Path, prove: Prover) -> ModelFile:
    """The model that bytes hold, examined. aside: a folder for the file while it is asked.

    Raises:
        ModelUnreadable, ModelDamaged, ModelNotInt8, ModelLabelsDiffer: as `alledge.model_file`.
        PatchContractDiffers, LabelsSwapped, ReleaseDiffers: the card is not what was signed.
        SelfTestFailed, ExaminationBroke, RuntimeMissing: it does not answer here as it must.
    """
    path = aside / "examined.tflite"
    write_whole(path, data)
    prove(path)
    model = readable(lambda: parse_model(data, release.target), release.target)
    hold_to_card(release, model.card)
    return model


def readable(read: Callable[[], ModelFile], source: str) -> ModelFile:
    """What a reader makes of a file. Raises as it does, and ModelUnreadable for all that it did not foresee.

    numpy, zipfile and json raise a dozen kinds of errors on bytes that somebody made for the purpose.
    """
    try:
        return read()
    except AllscopeError as error:  # which quotes names that are in the file
        raise type(error)(plain(error.what_happened, 400), error.next_step) from error
    except Exception as error:
        raise ModelUnreadable(
            f"{source} cannot be read ({type(error).__name__}: {plain(error)}).", PUBLISHED_AGAIN
        ) from error


def prove_apart(path: Path) -> None:
    """Look at a model in a process of its own. Raises as `Prover`."""
    if not installed_runtimes():
        raise RuntimeMissing("No TFLite runtime is installed.", "Install one: `pip install ai-edge-litert`.")
    # -P: whoever stands in the stick's folder must not run a `numpy.py` that lies there.
    ran = run_program((sys.executable, "-P", "-m", "alledge.models.examining", str(path)), LIMIT_S)
    if ran.status == 0 and ran.out == PROVEN:
        return
    refusal = _told(ran.out) if ran.status == REFUSED_STATUS else None
    if refusal is not None:
        raise refusal
    how = f"no answer within {LIMIT_S:g} s" if ran.status is None else f"exit status {ran.status}"
    raise ExaminationBroke(f"The runtime broke down on the model ({how}).", PUBLISHED_AGAIN)


def prove(path: Path) -> Card:
    """Ask the golden vectors in this process; gives the card. Raises as the self-test, and ModelTooSlow."""
    model = readable(lambda: read_model(path), path.name)
    classifier, began_s = open_classifier(model), time.process_time()
    self_test(classifier, model.golden, model.card)
    each_s = (time.process_time() - began_s) / len(model.golden.patches)
    if each_s > SLOWEST_S:
        raise ModelTooSlow(f"The model takes {each_s:.2g} s a cell on this device.", PUBLISHED_AGAIN)
    return model.card


def _told(line: str) -> AllscopeError | None:
    """The refusal that the other process told; None where it told none."""
    try:
        code, what, next_step = json.loads(line)
        return ANSWERS[code](plain(what, 400), plain(next_step))
    except (ValueError, TypeError, KeyError):
        return None


def _answer(path: Path) -> int:
    _limit(LIMIT_BYTES)
    try:
        prove(path)
    except AllscopeError as error:
        sys.stdout.write(json.dumps([error.code, error.what_happened, error.next_step]))
        return REFUSED_STATUS
    sys.stdout.write(PROVEN)
    return 0


def _limit(n_bytes: int) -> None:
    """Let this process take so much more memory and no more, and leave no core file when it dies.

    The service works beside it: it is the first to wait for a core, and the first to go when memory is short.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])  # proc(5): data and stack
    limit = pages * resource.getpagesize() + n_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    with contextlib.suppress(OSError):  # a container may forbid it; the limit above holds all the same
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    sys.exit(_answer(Path(sys.argv[1])))
