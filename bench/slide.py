"""Each cell once, judged by the truth: `python bench/slide.py [--seeds N] [--fields N] [--images FOLDER]`.

A simulated hand moves a phantom slide (or, with --images, a window over real fields) and the slide map
places every field and counts every cell. Cells come from one of two finders: "truth" hands the map the
true cells with a little jitter, so that all error is the map's; "finder" runs the real cell finder.
The table shows counts too many and cells lost, in all and for the worst seed, how far places were off,
and what a field cost on one core beside the finder on the same field in the same run. `--cost` prints
that cost alone, on fields of 1640 x 1232 pixels, with the cost of a jump when the map is full.
"""

import argparse
import itertools
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from alledge.cells import find_cells
from alledge.illumination import estimate_illumination
from alledge.patches import cut_patches
from alledge.phantom import PhantomParameters
from alledge.phantom.hand import HandHabits, Stop, hand_path
from alledge.phantom.slide import PhantomSlide, SlideCell
from alledge.phantom.tally import CountVerdict, FoundSpot, Tally, TrueSpot
from alledge.phantom.truth import NUCLEATED_KINDS
from alledge.slide import SlideMap, sharpness_of
from alledge.slide.key_fields import MOST_VIEWS
from alledge.types import U8, Cell

SMALL = PhantomParameters(pixel_um=0.3, width_px=480, height_px=360, n_red_cells=210)
FEW = replace(
    SMALL, n_lymphocytes=1, n_neutrophils=1, n_monocytes=0, n_blasts_l1=1, n_blasts_l2=1, n_blasts_l3=0
)
HANDS_A_SLIDE = 5
_CUT_MARGIN_UM = 0.5
_JITTER_UM = 0.3  # what a finder's centres scatter by
_MARGIN_UM = 25.0  # about a field, in which a true cell may reach into it


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the table: how the hand moves and what the camera sees.

    flicker: standard deviation of the lamp's brightness from field to field, relative.
    """

    name: str
    habits: HandHabits = field(default_factory=HandHabits)
    slide: PhantomParameters = SMALL
    flicker: float = 0.0


CONDITIONS = (
    Condition("as it comes"),
    Condition("steps to 20 % overlap", HandHabits(pause=0.0, least_speed=0.9)),
    Condition("slow, 70 % overlap", HandHabits(least_overlap=0.7)),
    Condition("jumps", HandHabits(jump=0.08)),
    Condition("noise", slide=replace(SMALL, shot_noise=12.0, read_noise=6.0)),
    Condition("defocus while moving", HandHabits(moving_defocus_um=4.0)),
    Condition("flickering lamp", flicker=0.12),
    Condition("thin smear", slide=replace(SMALL, n_red_cells=50)),
    Condition("crowded smear", slide=replace(SMALL, n_red_cells=420)),
    Condition("few white cells", slide=FEW),
)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One field with its truth: place of its first pixel, what lies in it, and what the finder is told.

    cells: None where the real finder is asked.
    """

    pixels: U8
    pixel_um: float
    corner_um: tuple[float, float]
    is_jump: bool
    spots: list[TrueSpot]
    cells: tuple[Cell, ...] | None


@dataclass(slots=True)
class Walk:
    """What came of one walk: the verdict on the count, errors of places, jumps made and told, costs."""

    verdict: CountVerdict
    place_errors_um: list[float] = field(default_factory=list)
    jumps_made: int = 0
    jumps_told: int = 0
    n_regions: int = 0
    map_s: list[float] = field(default_factory=list)
    finder_s: list[float] = field(default_factory=list)


def follow(shots: Iterable[Shot]) -> Walk:
    """Map a walk and judge the count."""
    slide_map, tally, walk = SlideMap(), Tally(), Walk(CountVerdict(0, 0, 0))
    first: dict[int, tuple[float, float]] = {}
    for shot in shots:
        illumination = estimate_illumination(shot.pixels)
        start = time.process_time()
        cells = shot.cells
        if cells is None:
            cells = find_cells(shot.pixels, illumination, shot.pixel_um).cells
            walk.finder_s.append(time.process_time() - start)
        patches = cut_patches(shot.pixels, [(c.x, c.y) for c in cells], shot.pixel_um, illumination)
        start = time.process_time()
        placement = slide_map.place(shot.pixels, shot.pixel_um, illumination)
        sightings = slide_map.count(placement, cells, shot.pixel_um, sharpness_of(patches).tolist())
        walk.map_s.append(time.process_time() - start)
        x0, y0 = shot.corner_um
        tally.add_field(
            shot.spots,
            [
                FoundSpot(
                    x0 + cell.x * shot.pixel_um, y0 + cell.y * shot.pixel_um, seen.cell_id, seen.is_new,
                    cell.touches_border,
                )
                for cell, seen in zip(cells, sightings, strict=True)
            ],
        )  # fmt: skip
        off = placement.x_um - x0, placement.y_um - y0
        start_off = first.setdefault(placement.region, off)
        walk.place_errors_um.append(float(np.hypot(off[0] - start_off[0], off[1] - start_off[1])))
        walk.jumps_made += shot.is_jump
        walk.jumps_told += placement.is_jump
        walk.n_regions = max(walk.n_regions, placement.region)
    walk.verdict = tally.verdict(slide_map.withdrawn)
    return walk


def phantom_shots(condition: Condition, seed: int, n_fields: int, *, finder: bool) -> Iterator[Shot]:
    """A hand on a phantom slide."""
    slide = slide_of(replace(condition.slide, seed=seed // HANDS_A_SLIDE))
    p = slide.parameters
    rng = np.random.default_rng([seed, 7])
    numbers: dict[tuple[float, float], int] = {}
    path = hand_path(seed, p.width_um, p.height_um, condition.habits)
    for k, stop in enumerate(itertools.islice(path, n_fields)):
        exposure = float(np.clip(1.0 + rng.normal(0.0, condition.flicker), 0.5, 1.3))
        optics = replace(p, defocus_um=stop.defocus_um, exposure=exposure)
        pixels = slide.photograph(stop.x_um, stop.y_um, k, optics)
        white = shown(slide, stop)
        yield Shot(
            pixels=pixels,
            pixel_um=p.pixel_um,
            corner_um=(stop.x_um, stop.y_um),
            is_jump=stop.is_jump,
            spots=[
                TrueSpot(numbers.setdefault((c.x_um, c.y_um), len(numbers)), c.x_um, c.y_um) for c in white
            ],
            cells=None if finder else tuple(true_cell(c, stop, p, rng) for c in white),
        )


@lru_cache(maxsize=1)
def slide_of(parameters: PhantomParameters) -> PhantomSlide:
    """The slide, kept while the next hands use it too: drawing it costs far more than photographs of it."""
    return PhantomSlide(parameters, tiles_kept=64)


def shown(slide: PhantomSlide, stop: Stop) -> list[SlideCell]:
    """The white cells that a field shows at least in part."""
    right_um, bottom_um = stop.x_um + slide.parameters.width_um, stop.y_um + slide.parameters.height_um
    around = slide.cells_within(
        stop.x_um - _MARGIN_UM, stop.y_um - _MARGIN_UM, right_um + _MARGIN_UM, bottom_um + _MARGIN_UM
    )
    return [
        cell
        for cell in around
        if cell.kind in NUCLEATED_KINDS
        and cell.box_um[2] > stop.x_um + 2.0
        and cell.box_um[3] > stop.y_um + 2.0
        and cell.box_um[0] < right_um - 2.0
        and cell.box_um[1] < bottom_um - 2.0
    ]


def true_cell(cell: SlideCell, stop: Stop, p: PhantomParameters, rng: np.random.Generator) -> Cell:
    """A true cell as a perfect finder would tell it, but for the jitter of its centre."""
    box = np.array(cell.box_um) - (stop.x_um, stop.y_um) * 2
    size = np.array((p.width_um, p.height_um))
    cut = bool((box[:2] < _CUT_MARGIN_UM).any() or (box[2:] > size - _CUT_MARGIN_UM).any())
    # Of a cut cell the finder sees the part within the field.
    seen = (np.maximum(box[:2], 0.0) + np.minimum(box[2:], size)) / 2
    centre = seen if cut else np.array((cell.x_um - stop.x_um, cell.y_um - stop.y_um))
    x, y = (centre + rng.normal(0.0, _JITTER_UM, 2)) / p.pixel_um
    return Cell(float(x), float(y), (0, 0, 1, 1), cell.diameter_um, 50.0, 0.7, 0.9, 0.1, touches_border=cut)


def real_shots(image: Path, seed: int, n_fields: int, *, finder: bool) -> Iterator[Shot]:
    """A hand that moves a window over a photograph; the finder on the whole picture is the truth."""
    whole = np.asarray(cv2.imread(str(image)), dtype=np.uint8)
    illumination = estimate_illumination(whole)
    pixel_um = 0.11 if whole.shape[1] < 2000 else 0.14
    known = find_cells(whole, illumination, pixel_um).cells
    spots = [TrueSpot(number, c.x * pixel_um, c.y * pixel_um) for number, c in enumerate(known)]
    height, width = whole.shape[0] * 9 // 20, whole.shape[1] * 9 // 20
    rng = np.random.default_rng(seed)
    habits = HandHabits(extent_fields=1.2, tremble_um=0.3)
    start = np.array((width, height)) * pixel_um * 0.6
    for stop in itertools.islice(hand_path(seed, width * pixel_um, height * pixel_um, habits), n_fields):
        corner = (start + np.array((stop.x_um, stop.y_um))) / pixel_um
        x, y = np.clip(corner, 0, (whole.shape[1] - width - 1, whole.shape[0] - height - 1))
        window = cv2.getRectSubPix(whole, (width, height), (x + (width - 1) / 2, y + (height - 1) / 2))
        noisy = window * rng.normal(1.0, 0.03) + rng.normal(0.0, 3.0, window.shape)
        sigma_px = 0.2 * stop.defocus_um / pixel_um
        blurred = cv2.GaussianBlur(noisy, (0, 0), sigma_px) if sigma_px > 0.3 else noisy
        pixels = np.clip(blurred, 0, 255).astype(np.uint8)
        x_um, y_um = float(x) * pixel_um, float(y) * pixel_um
        cells = (
            None if finder else cells_in_window(known, (float(x), float(y)), (width, height), pixel_um, rng)
        )
        yield Shot(pixels, pixel_um, (x_um, y_um), stop.is_jump, spots, cells)


def cells_in_window(
    known: tuple[Cell, ...],
    corner: tuple[float, float],
    size: tuple[int, int],
    pixel_um: float,
    rng: np.random.Generator,
) -> tuple[Cell, ...]:
    """The cells of a whole picture that a window of it shows whole, with the jitter of a finder."""
    shown_whole = []
    for cell in known:
        x0, y0, x1, y1 = cell.box
        inside = x0 > corner[0] and y0 > corner[1] and x1 < corner[0] + size[0] and y1 < corner[1] + size[1]
        if inside:
            dx, dy = rng.normal(0.0, _JITTER_UM / pixel_um, 2)
            x, y = cell.x - corner[0] + float(dx), cell.y - corner[1] + float(dy)
            shown_whole.append(replace(cell, x=x, y=y, touches_border=False))
    return tuple(shown_whole)


def summary(name: str, walks: list[Walk]) -> str:
    """One row of the table."""
    total = sum((walk.verdict for walk in walks), CountVerdict(0, 0, 0))
    errors = np.concatenate([walk.place_errors_um for walk in walks])
    cost = 1e3 * np.median(np.concatenate([walk.map_s for walk in walks]))
    finder = [s for walk in walks for s in walk.finder_s]
    ratio = f"{cost / (1e3 * np.median(finder)):.2f}" if finder else "-"
    return (
        f"| {name} | {len(walks)} | {errors.size} | {total.n_countable} "
        f"| {100 * total.double_share:.2f} | {100 * max(w.verdict.double_share for w in walks):.1f} "
        f"| {100 * total.lost_share:.2f} | {100 * max(w.verdict.lost_share for w in walks):.1f} "
        f"| {np.percentile(errors, 99):.2f} | {errors.max():.2f} "
        f"| {sum(w.jumps_made for w in walks)} / {sum(w.jumps_told for w in walks)} | {cost:.1f} | {ratio} |"
    )


HEADER = (
    "| walk | seeds | fields | cells | double % | worst | lost % | worst | place um, p99 | largest "
    "| jumps made / told | ms a field | of the finder |\n|" + "---|" * 13
)


def field_cost() -> str:
    """Median cost of a field of 1640 x 1232 on one core, and of a jump when the map is full."""
    p = replace(SMALL, seed=1, pixel_um=0.14, width_px=1640, height_px=1232, n_red_cells=380)
    slide, slide_map = PhantomSlide(p), SlideMap()
    spent: dict[str, list[float]] = {"finder": [], "place": [], "count": [], "jump": []}

    def timed(name: str, start: float) -> None:
        spent[name].append(1e3 * (time.process_time() - start))

    pictures = [slide.photograph(-30.0 * k, 10.0 * k, k) for k in range(6)]
    for pixels in [*pictures, *reversed(pictures)] * 3:
        illumination = estimate_illumination(pixels)
        start = time.process_time()
        cells = find_cells(pixels, illumination, p.pixel_um).cells
        timed("finder", start)
        start = time.process_time()
        placement = slide_map.place(pixels, p.pixel_um, illumination)
        timed("place", start)
        start = time.process_time()
        slide_map.count(placement, cells, p.pixel_um, [1.0] * len(cells))
        timed("count", start)
    rng = np.random.default_rng(1)
    for number in range(MOST_VIEWS + 10):  # noise at the scale of red cells matches nothing
        small = rng.integers(60, 240, (77, 103, 3), dtype=np.uint8)
        pixels = np.asarray(cv2.resize(small, (1640, 1232), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        illumination = estimate_illumination(pixels)
        start = time.process_time()
        slide_map.place(pixels, p.pixel_um, illumination)
        if number >= MOST_VIEWS:
            timed("jump", start)
    told = {name: float(np.median(values)) for name, values in spent.items()}
    share = (told["place"] + told["count"]) / told["finder"]
    return "\n".join(
        [*(f"{name:7s}{ms:7.2f} ms" for name, ms in told.items()), f"of the finder: {share:.2f}"]
    )


def walk_phantom(task: tuple[Condition, int, int, bool]) -> Walk:
    """One walk, for a pool of processes."""
    cv2.setNumThreads(1)
    condition, seed, n_fields, finder = task
    return follow(phantom_shots(condition, seed, n_fields, finder=finder))


def walk_real(task: tuple[Path, int, int, bool]) -> Walk:
    """One walk over a photograph, for a pool of processes."""
    cv2.setNumThreads(1)
    image, seed, n_fields, finder = task
    return follow(real_shots(image, seed, n_fields, finder=finder))


def main() -> None:
    """Run all conditions and print the table."""
    parser = argparse.ArgumentParser(description="Each cell once: counts too many and cells lost.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--fields", type=int, default=100)
    parser.add_argument("--only", default="", help="conditions whose name holds this")
    parser.add_argument("--finder", action="store_true", help="find cells with the real finder")
    parser.add_argument("--images", type=Path, help="a folder of real fields, walked over as well")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cost", action="store_true", help="print the cost of a field only")
    options = parser.parse_args()
    if options.cost:
        cv2.setNumThreads(1)
        print(field_cost())
        return
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(HEADER, flush=True)
    with ProcessPoolExecutor(options.processes) as pool:
        for condition in (c for c in CONDITIONS if options.only in c.name):
            tasks = [(condition, seed, options.fields, options.finder) for seed in seeds]
            print(
                summary(condition.name, list(pool.map(walk_phantom, tasks, chunksize=HANDS_A_SLIDE))),
                flush=True,
            )
        if options.images:
            images = sorted(options.images.glob("*.jpg"))[: options.seeds]
            real = [(image, seed, options.fields, options.finder) for seed, image in enumerate(images, 1)]
            print(summary("real fields", list(pool.map(walk_real, real))), flush=True)


if __name__ == "__main__":
    main()
