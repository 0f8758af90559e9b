"""`alledge calibrate`: measures the microscope with a person who moves the slides, or from pictures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alledge import RESEARCH_USE_ONLY
from alledge.commands.options import DEFAULT_DATA, DataOption

if TYPE_CHECKING:
    from alledge.calibration import Calibration
    from alledge.calibration.walk import Asked, Step, Viewer
    from alledge.cameras import FrameSource
    from alledge.errors import CalibrationRefused
    from alledge.types import U8, Frame

_FRAMES_OF_EMPTY_FIELD = 8  # their mean has a third of the noise of one


def calibrate(
    camera: Annotated[
        str, typer.Option(help="picamera2:N, v4l2:/dev/videoN, file:PATH or phantom:[seed=..]")
    ] = "picamera2:0",
    data: DataOption = DEFAULT_DATA,
    division_um: Annotated[
        float, typer.Option(min=0.5, max=1000.0, help="Distance of neighbouring lines of the micrometer, um.")
    ] = 10.0,
    objective: Annotated[str, typer.Option(help="What you call this objective, e.g. '100x oil'.")] = "",
    empty: Annotated[
        list[Path] | None, typer.Option(help="Picture of the empty field; then nobody is asked for anything.")
    ] = None,
    micrometer: Annotated[Path | None, typer.Option(help="Picture of a stage micrometer.")] = None,
    smear: Annotated[
        list[Path] | None, typer.Option(help="Sharp picture of a smear: focus, and size without micrometer.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the calibration as JSON.")] = False,
) -> None:
    """Measures light, white balance, exposure, pixel size and focus, and keeps them for `alledge run`."""
    from alledge.calibration import CALIBRATION_FILE, save_calibration
    from alledge.calibration.walk import Asked
    from alledge.cameras import open_camera

    if empty or micrometer or smear:
        pictures = _Pictures(empty or [], [micrometer] if micrometer else [], smear or [])
        measured, flat_field = _walk(pictures, Asked(division_um, objective, "pictures"))
    else:
        with open_camera(camera) as source:
            person = _Person(source, told_on_stderr=as_json)
            measured, flat_field = _walk(person, Asked(division_um, objective, camera))
    saved = save_calibration(measured, flat_field, data)
    file = data / CALIBRATION_FILE
    if as_json:
        typer.echo(json.dumps(_as_dict(saved, file), ensure_ascii=False))
    else:
        _tell(saved, file)


def _walk(viewer: "Viewer", asked: "Asked") -> "tuple[Calibration, U8]":
    from alledge.calibration.walk import walk
    from alledge.clock import SystemClock

    return walk(viewer, asked, SystemClock().wall)


class _Pictures:
    """Files in place of a person: each step has its pictures or is left out, and none is shown again."""

    def __init__(self, empty: list[Path], micrometer: list[Path], smear: list[Path]) -> None:
        self._files = {"EMPTY_FIELD": empty, "MICROMETER": micrometer, "SMEAR": smear}

    def show(self, step: "Step") -> "Sequence[Frame]":
        """Reads the files of a step."""
        from alledge.images import read_image
        from alledge.types import Frame

        return [Frame(read_image(file), str(file)) for file in self._files[step.name]]

    def again(self, refused: "CalibrationRefused") -> bool:
        """Files do not change for being asked again."""
        del refused
        return False


class _Person:
    """A person at the microscope, asked step by step; only the empty field cannot be left out."""

    def __init__(self, source: "FrameSource", *, told_on_stderr: bool) -> None:
        self._source = source
        self._on_stderr = told_on_stderr

    def show(self, step: "Step") -> "Sequence[Frame]":
        """Asks for a step and takes its pictures."""
        from alledge.calibration.settle import LockableSource, settle_camera
        from alledge.calibration.walk import Step

        if step is Step.EMPTY_FIELD:
            self._wait(f"Show {step.value}, then press Enter.")
            if isinstance(self._source, LockableSource):
                settle_camera(self._source)
            return [self._source.capture() for _ in range(_FRAMES_OF_EMPTY_FIELD)]
        if not typer.confirm(f"Can you show {step.value}?", default=True, err=self._on_stderr):
            return []
        self._wait("Press Enter when it is there.")
        return [self._source.capture()]

    def again(self, refused: "CalibrationRefused") -> bool:
        """Tells why, and asks whether to go on."""
        return typer.confirm(f"{refused} Try again?", default=True, err=self._on_stderr)

    def _wait(self, words: str) -> None:
        typer.prompt(words, default="", show_default=False, prompt_suffix=" ", err=self._on_stderr)


def _as_dict(saved: "Calibration", file: Path) -> dict[str, object]:
    controls = saved.controls
    return {
        "file": str(file),
        "sha256": saved.sha256,
        "pixel_um": saved.pixel_um,
        "pixel_um_standard_error": saved.scale.standard_error_um,
        "pixel_um_source": saved.scale.source.value,
        "n_marks": saved.scale.n_marks,
        "width": saved.illumination.width,
        "height": saved.illumination.height,
        "white_bgr": list(saved.white),
        "focus": saved.focus,
        "exposure_us": controls.exposure_us,
        "analogue_gain": controls.analogue_gain,
        "colour_gains": list(controls.colour_gains) if controls.colour_gains else None,
        "objective": saved.objective,
        "camera": saved.camera,
        "made_at": saved.wall.iso,
        "clock": saved.wall.trust.value,
        "research_use_only": True,
    }


def _tell(saved: "Calibration", file: Path) -> None:
    """Says in words what was measured."""
    scale, white = saved.scale, saved.white
    marks = "lines" if scale.source.value == "stage micrometer" else "red cells"
    error = f"+- {scale.standard_error_um:.5f} um, {scale.source.value}, {scale.n_marks} {marks}"
    typer.echo(f"Pixel size {scale.pixel_um:.5f} um ({error})")
    typer.echo(f"  field {saved.illumination.width} x {saved.illumination.height} pixels")
    typer.echo(f"  empty field blue {white[0]:.0f}, green {white[1]:.0f}, red {white[2]:.0f} of 255")
    typer.echo("  focus not measured" if saved.focus is None else f"  best focus {saved.focus:.2f} per um")
    if saved.controls.exposure_us is not None:
        typer.echo(f"  exposure {saved.controls.exposure_us} us, to be locked")
    typer.echo(f"  {saved.wall.iso}, clock {saved.wall.trust.value}, sha256 {saved.sha256[:16]}")
    typer.echo(f"  wrote {file}")
    typer.echo(f"  {RESEARCH_USE_ONLY}")
