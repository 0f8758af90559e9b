"""How often the quality gate refuses what it should judge, and names what it should refuse.

    python bench/quality.py --data FOLDER

FOLDER holds real smear images (docs/data.md); without it only the phantom table is printed. Every real
field was taken by somebody to be looked at, so a refusal counts as false, whatever the field looks like.
Defects are injected one at a time into phantom slides of many looks: the tables of docs/quality.md.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from alledge.calibration import Calibration, CameraControls, Scale, ScaleSource
from alledge.calibration.lamp_check import lamp_change
from alledge.cells import find_cells
from alledge.clock import ClockTrust, WallTime
from alledge.familiarity import Familiarity, fit_familiarity
from alledge.illumination import Illumination, estimate_illumination, illumination_from_flat_field
from alledge.liveness import is_frozen, is_stale
from alledge.patches import cut_patches
from alledge.phantom import PhantomParameters, parameters_for_slide, render_field
from alledge.phantom.bare_slides import render_empty_field
from alledge.pipeline import analyse_field
from alledge.pixel_size import estimate_pixel_size
from alledge.stain_check import LEAST_CELLS, is_stain_strange
from alledge.types import U8, Frame, Verdict

SETS = {
    "all-idb1": "im/*.jpg",
    "all-idb2": "img/*.tif",
    "bccd": "JPEGImages/*.jpg",
    "draaslan-bcd": "images/*.png",
    "txl-raabin": "images/*.jpg",
    "pbc": "*/*.jpg",
    "taleqani": "*/*.jpg",
}
CONTROLS = CameraControls(10_000, 1.0, (1.5, 1.5))
Look = Callable[[PhantomParameters], PhantomParameters]


def slide(number: int) -> PhantomParameters:
    """One field of a phantom slide, small enough to be rendered by the hundred."""
    whole = parameters_for_slide(99, number, 0)
    return replace(whole, width_px=900, height_px=700, n_red_cells=round(0.51 * whole.n_red_cells))


def calibrated(parameters: PhantomParameters) -> Calibration:
    """A calibration of the microscope that a phantom field is seen through."""
    return Calibration(
        scale=Scale(parameters.pixel_um, 0.0, ScaleSource.STAGE_MICROMETER, 10),
        illumination=illumination_from_flat_field(render_empty_field(parameters)),
        controls=CONTROLS,
        white=(200.0, 200.0, 200.0),
        focus=None,
        objective="",
        camera="phantom",
        software_version="",
        wall=WallTime(0.0, ClockTrust.UNKNOWN),
        sha256="",
    )


def frame_of(pixels: U8) -> Frame:
    """A frame as the locked camera gives it."""
    return Frame(pixels, "bench", None, CONTROLS.exposure_us, CONTROLS.analogue_gain, CONTROLS.colour_gains)


BARE: Look = lambda p: replace(  # noqa: E731 -- a table of looks reads best as one
    p,
    n_red_cells=0,
    n_lymphocytes=0,
    n_neutrophils=0,
    n_monocytes=0,
    n_blasts_l1=0,
    n_blasts_l2=0,
    n_blasts_l3=0,
    n_platelets=0,
    n_smudges=0,
)
LOOKS: dict[str, tuple[Verdict, Look]] = {
    "nothing": (Verdict.OK, lambda p: p),
    "7 um out of focus": (Verdict.OUT_OF_FOCUS, lambda p: replace(p, defocus_um=7.0)),
    "lamp at a fifth": (Verdict.TOO_DARK, lambda p: replace(p, exposure=0.2)),
    "exposure x 2.5": (Verdict.SATURATED, lambda p: replace(p, exposure=2.5)),
    "bare glass": (Verdict.NO_SMEAR, BARE),
    "2.5 times the red cells": (
        Verdict.TOO_THICK,
        lambda p: replace(p, n_red_cells=round(0.024 * p.width_um * p.height_um)),
    ),
    "5 times the red cells": (
        Verdict.TOO_THICK,
        lambda p: replace(p, n_red_cells=round(0.048 * p.width_um * p.height_um)),
    ),
}
SINCE: dict[str, Look] = {
    "nothing": lambda p: p,
    "10 % less light": lambda p: replace(p, exposure=0.9),
    "30 % less light": lambda p: replace(p, exposure=0.7),
    "a filter, red - 15 %": lambda p: replace(p, lamp_red_level=0.85 * p.lamp_red_level),
    "condenser closed": lambda p: replace(p, vignetting=min(p.vignetting + 0.2, 0.9)),
    "light from the other side": lambda p: replace(
        p, lamp_tilt=0.15, lamp_tilt_deg=(p.lamp_tilt_deg + 180.0) % 360.0
    ),
}
STAINS: dict[str, Look] = {
    "nothing": lambda p: p,
    "stain x 2.5": lambda p: replace(p, stain_strength=2.5),
    "stain x 1.8": lambda p: replace(p, stain_strength=1.8),
    "stain x 0.35": lambda p: replace(p, stain_strength=0.35),
}


def patches_of(pixels: U8) -> U8:
    """Patches of the whole cells of a field; none of a field that is refused."""
    if analyse_field(Frame(pixels, ""), None).quality.verdict is not Verdict.OK:
        return np.empty((0, 50, 50, 3), np.uint8)
    illumination = estimate_illumination(pixels)
    pixel_um = estimate_pixel_size(pixels, illumination).pixel_um
    cells = [c for c in find_cells(pixels, illumination, pixel_um).cells if not c.touches_border]
    return cut_patches(pixels, [(cell.x, cell.y) for cell in cells], pixel_um, illumination)


def _told(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in Counter(words).most_common())


def phantom_tables(n_fields: int) -> None:
    """Each defect on its own."""
    print("| defect | refused as it should be | verdicts |\n|---|---|---|")
    for name, (wanted, look) in LOOKS.items():
        told = [analyse_field(Frame(render_field(look(slide(i))).pixels, ""), None) for i in range(n_fields)]
        _row(name, wanted, [result.quality.verdict for result in told])
    flat = [calibrated(slide(i)) for i in range(n_fields)]
    for name, look in SINCE.items():
        verdicts = []
        for i in range(n_fields):
            frame = frame_of(render_field(look(slide(i))).pixels)
            verdicts.append(analyse_field(frame, None, None, flat[i]).quality.verdict)
        wanted = Verdict.OK if name in ("nothing", "10 % less light") else Verdict.LIGHT_CHANGED
        _row(f"since calibration: {name}", wanted, verdicts)
    _setting_rows(n_fields, flat)
    known = fit_familiarity(
        np.concatenate([patches_of(render_field(slide(100 + i)).pixels) for i in range(30)])
    )
    for name, look in STAINS.items():
        strange = [_stain_verdict(render_field(look(slide(i))).pixels, known) for i in range(n_fields)]
        _row(f"other than training: {name}", Verdict.OK if name == "nothing" else _STRANGE, strange)
    _camera_rows(n_fields)


_STRANGE = Verdict.STAIN_UNLIKE_TRAINING


def _stain_verdict(pixels: U8, known: Familiarity) -> Verdict:
    verdict = analyse_field(Frame(pixels, ""), None).quality.verdict
    if verdict is not Verdict.OK:
        return verdict
    return _STRANGE if is_stain_strange(patches_of(pixels), known) else Verdict.OK


def _setting_rows(n_fields: int, flat: list[Calibration]) -> None:
    changes: dict[str, Callable[[Frame], Frame]] = {
        "exposure + 5 %": lambda f: replace(f, exposure_us=10_500),
        "white balance + 5 %": lambda f: replace(f, colour_gains=(1.575, 1.5)),
        "another size": lambda f: replace(f, pixels=np.ascontiguousarray(f.pixels[:600])),
    }
    for name, change in changes.items():
        frames = (change(frame_of(render_field(slide(i)).pixels)) for i in range(n_fields))
        told = [
            analyse_field(frame, None, None, one).quality.verdict
            for frame, one in zip(frames, flat, strict=True)
        ]
        _row(f"since calibration: {name}", Verdict.NOT_CALIBRATED, told)


def _camera_rows(n_fields: int) -> None:
    rng = np.random.default_rng(0)
    frozen = moved = 0
    for i in range(n_fields):
        first = render_field(slide(i)).pixels
        # The faintest noise: half a grey level, on a stage that stands still.
        second = np.clip(np.rint(first + rng.normal(0.0, 0.5, first.shape)), 0, 255).astype(np.uint8)
        frozen += is_frozen(first, first.copy())
        moved += is_frozen(first, second)
    print(f"| frozen camera | {frozen} of {n_fields} | by `is_frozen` |")
    print(f"| the same field twice, noise of 0.5 levels | {moved} of {n_fields} called frozen | |")
    stale = is_stale(2_000_000, 1000, asked_ns=1_500_000), is_stale(2_600_000, 1000, asked_ns=1_500_000)
    print(f"| exposure that began before the question | {stale[0]}; after it: {stale[1]} | by `is_stale` |")


def _row(name: str, wanted: Verdict, verdicts: list[Verdict]) -> None:
    right = sum(verdict is wanted for verdict in verdicts)
    print(f"| {name} | {right} of {len(verdicts)} | {_told(v.value for v in verdicts)} |", flush=True)


def real_tables(data: Path, every: int) -> None:
    """Fields that somebody took to be looked at."""
    print("\n| set | fields | refused | verdicts |\n|---|---|---|---|")
    for name, pattern in SETS.items():
        paths = sorted((data / name).glob(pattern))[:: 1 if name == "all-idb1" else every]
        if paths:
            told = [analyse_field(Frame(pixels, ""), None).quality.verdict for pixels in _read(paths)]
            refused = sum(verdict is not Verdict.OK for verdict in told)
            rate = f"{refused} ({100 * refused / len(told):.1f} %)"
            print(f"| {name} | {len(told)} | {rate} | {_told(v.value for v in told)} |", flush=True)
    with (data / "all-idb1" / "images.csv").open(newline="") as file:
        sessions = {row["image"]: row["session_group"] for row in csv.DictReader(file)}
    fields = {name: pixels for name in sessions for pixels in _read([data / "all-idb1/im" / f"{name}.jpg"])}
    _session_rows(sessions, fields)
    _stain_rows(sessions, fields, data, every)


def _read(paths: Iterable[Path]) -> Iterator[U8]:
    for path in paths:
        yield np.asarray(cv2.imread(str(path)), dtype=np.uint8)


def _session_rows(sessions: dict[str, str], fields: dict[str, U8]) -> None:
    """The typical background of a session in place of a flat field, the field itself left out."""
    light = {name: estimate_illumination(pixels) for name, pixels in fields.items()}
    print("\n| session of all-idb1 | fields whose light differs from the session's |\n|---|---|")
    for session in sorted(set(sessions.values())):
        names = [name for name in sessions if sessions[name] == session]
        off = 0
        for name in names:
            others = [np.log(light[other].background) for other in names if other != name]
            typical = np.exp(np.median(others, axis=0)).astype(np.float32)
            one = light[name]
            off += lamp_change(Illumination(typical, one.width, one.height), one).finding is not None
        print(f"| {session} | {off} of {len(names)} |", flush=True)


def _stain_rows(sessions: dict[str, str], fields: dict[str, U8], data: Path, every: int) -> None:
    patches = {name: patches_of(pixels) for name, pixels in fields.items()}
    print("\n| trained on | fields of | with cells enough | refused |\n|---|---|---|---|")
    for session in sorted(set(sessions.values())):
        inside = [patches[name] for name in sessions if sessions[name] != session]
        known = fit_familiarity(np.concatenate(inside))
        outside = [patches[name] for name in sessions if sessions[name] == session]
        for judged, which in ((inside, "its own fields"), (outside, session)):
            _stain_row(f"all-idb1 without {session}", which, judged, known)
    known = fit_familiarity(np.concatenate(list(patches.values())))
    for name in ("bccd", "draaslan-bcd", "txl-raabin", "taleqani"):
        paths = sorted((data / name).glob(SETS[name]))[:: 2 * every]
        _stain_row("all-idb1", name, [patches_of(pixels) for pixels in _read(paths)], known)


def _stain_row(trained: str, which: str, fields: list[U8], known: Familiarity) -> None:
    judged = [patches for patches in fields if len(patches) >= LEAST_CELLS]
    off = sum(is_stain_strange(patches, known) for patches in judged)
    print(f"| {trained} | {which} | {len(judged)} of {len(fields)} | {off} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real smear images")
    parser.add_argument("--every", type=int, default=1, help="judge every Nth field of the larger sets only")
    parser.add_argument(
        "--fields", type=int, default=40, help="phantom fields of each defect; 0 leaves them out"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.fields:
        phantom_tables(options.fields)
    if options.data is not None:
        real_tables(options.data, options.every)


if __name__ == "__main__":
    main()
