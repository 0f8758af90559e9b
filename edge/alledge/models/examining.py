"""Does a model keep its word on this device? Its file, its card, and its golden vectors on the runtime here.

The golden vectors are asked in a process of their own: a network can take a runtime down, and what installs
must be there to say so. `python -m alledge.models.examining FILE` is that process.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from alledge.card import Card
from alledge.classifier import installed_runtimes, open_classifier
from alledge.errors import AllscopeError, RuntimeMissing, SelfTestFailed
from alledge.illumination import ILLUMINATION_VERSION
from alledge.model_file import ModelFile, parse_model, read_model
from alledge.models.refusals import ExaminationBroke, PatchContractDiffers, SoftwareTooOld
from alledge.models.release import Release, hold_to_card, software_order
from alledge.patches import PATCH_PX, PATCH_UM
from alledge.programs import run_program
from alledge.service.sentinel import self_test

Prover: TypeAlias = Callable[[Path], None]
"""Asks the golden vectors of a model file; raises SelfTestFailed, ExaminationBroke or RuntimeMissing."""

REFUSED_STATUS: Final = 3
LIMIT_S: Final = 300.0
PUBLISHED_AGAIN: Final = "Tell who publishes it; the model that served goes on serving."
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
    model = parse_model(data, release.target)
    hold_to_card(release, model.card)
    path = aside / "examined.tflite"
    path.write_bytes(data)
    prove(path)
    return model


def prove_apart(path: Path) -> None:
    """Ask the golden vectors in a process of its own. Raises as `Prover`."""
    if not installed_runtimes():
        raise RuntimeMissing("No TFLite runtime is installed.", "Install one: `pip install ai-edge-litert`.")
    ran = run_program((sys.executable, "-m", "alledge.models.examining", str(path)), LIMIT_S)
    if ran.status == REFUSED_STATUS:
        raise SelfTestFailed(ran.err.strip(), PUBLISHED_AGAIN)
    if ran.status != 0:
        how = ran.err[-200:] if ran.status is None else f"exit status {ran.status}"
        raise ExaminationBroke(f"The runtime broke down on the golden vectors ({how}).", PUBLISHED_AGAIN)


def prove(path: Path) -> Card:
    """Ask the golden vectors in this process; gives the card. Raises what the self-test raises."""
    model = read_model(path)
    self_test(open_classifier(model), model.golden, model.card)
    return model.card


def _answer(path: Path) -> int:
    try:
        prove(path)
    except AllscopeError as error:
        sys.stderr.write(error.what_happened)
        return REFUSED_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(_answer(Path(sys.argv[1])))
