"""Twins: every copy is found however it was changed, and no two cells are ever taken for one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alledge.illumination import estimate_illumination
from alledge.patches import cut_patches
from alledge.phantom import PhantomField, parameters_for_slide, render_field
from alledge.types import F32, U8
from alltrain.audit.confirming import POSITIONS, best_position, turn
from alltrain.audit.fingerprints import details, folded_thumbnails, spectra, to_square
from alltrain.audit.image_records import SQUARE_PX
from alltrain.audit.proposing import nearest_pairs
from alltrain.audit.twins import IMAGES, TwinKind, find_patch_twins, find_twins
from alltrain.datasets.loading import load_patches

N_FIELDS = 6


@pytest.fixture(scope="module")
def fields() -> list[PhantomField]:
    """Fields of three slides; no two show the same."""
    return [render_field(parameters_for_slide(3, slide, place)) for slide in range(3) for place in range(2)]


@pytest.fixture(scope="module")
def patches(fields: list[PhantomField]) -> U8:
    """The cells of those fields, as the device cuts them."""
    return np.concatenate([cut(field.pixels, field) for field in fields])


def cut(pixels: U8, field: PhantomField) -> U8:
    """Patches of all whole white cells at their true places."""
    centres = [(cell.x, cell.y) for cell in field.cells if cell.label and not cell.touches_border]
    return cut_patches(pixels, centres, field.parameters.pixel_um, estimate_illumination(pixels))


def find_among_images(images: Sequence[U8]) -> dict[tuple[int, int], TwinKind]:
    """Kind of each pair found."""
    grey = [np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8) for image in images]
    squares = np.stack([to_square(picture, SQUARE_PX) for picture in grey])
    pairs = find_twins([image.tobytes() for image in images], squares, IMAGES)
    return {(pair.first, pair.second): pair.kind for pair in pairs}


def recompress(image: U8) -> U8:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def brighten(image: U8) -> U8:
    return np.clip(image * 1.1 + 4.0, 0, 255).astype(np.uint8)


def shift(image: U8, share: float = 0.06) -> U8:
    height, width = image.shape[:2]
    move = np.array([[1, 0, share * width], [0, 1, -share * height]])
    return np.asarray(cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def crop(image: U8, kept: float = 0.95) -> U8:
    height, width = image.shape[:2]
    y, x = round((1 - kept) / 2 * height), round((1 - kept) / 2 * width)
    return np.ascontiguousarray(image[y : height - y, x : width - x])


CHANGES: dict[str, Callable[[U8], U8]] = {
    "compressed again": recompress,
    "brighter": brighten,
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "another lamp": lambda image: np.clip(image * np.array([0.75, 1.0, 1.05]), 0, 255).astype(np.uint8),
    "shifted": shift,
    "cropped": crop,
    "half the size": lambda image: np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5), dtype=np.uint8),
    "noisy": lambda image: np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255).astype(
        np.uint8
    ),
    "mirrored, brighter and compressed again": lambda image: recompress(brighten(image[:, ::-1])),
}


def test_no_two_fields_are_taken_for_one(fields: list[PhantomField]) -> None:
    assert find_among_images([field.pixels for field in fields]) == {}


def test_no_two_cells_are_taken_for_one(patches: U8) -> None:
    assert len(patches) > 60
    assert find_patch_twins(patches) == ()


def test_equal_pixels_are_found(fields: list[PhantomField]) -> None:
    images = [field.pixels for field in fields]
    assert find_among_images([*images, images[1].copy()]) == {(1, N_FIELDS): TwinKind.PIXELS}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(fields: list[PhantomField], change: str) -> None:
    images = [field.pixels for field in fields]
    assert set(find_among_images([*images, CHANGES[change](images[2])])) == {(2, N_FIELDS)}


@pytest.mark.parametrize("position", range(1, len(POSITIONS)))
def test_a_copy_is_found_in_all_eight_positions(fields: list[PhantomField], position: int) -> None:
    images = [field.pixels for field in fields]
    turned = np.rot90(images[4][:, ::-1] if position >= 4 else images[4], position % 4)
    found = find_among_images([*images, np.ascontiguousarray(turned)])
    assert found == {(4, N_FIELDS): TwinKind.AUGMENTED}


@pytest.mark.parametrize("change", ["compressed again", "brighter", "another lamp", "shifted", "noisy"])
def test_the_same_cells_cut_twice_are_found(fields: list[PhantomField], change: str) -> None:
    field = fields[0]
    first = cut(field.pixels, field)
    # The shifted picture has its cells elsewhere; the device would find them there.
    if change == "shifted":
        height, width = field.pixels.shape[:2]
        centres = [
            (cell.x + 0.06 * width, cell.y - 0.06 * height)
            for cell in field.cells
            if cell.label and not cell.touches_border
        ]
        picture = shift(field.pixels)
        second = cut_patches(picture, centres, field.parameters.pixel_um, estimate_illumination(picture))
    else:
        second = cut(CHANGES[change](field.pixels), field)
    found = {(pair.first, pair.second) for pair in find_patch_twins(first, second)}
    same = {(k, k) for k in range(len(first))}
    assert len(found & same) >= 0.8 * len(first)
    assert found <= same


def test_cells_of_one_image_are_not_compared(patches: U8) -> None:
    twice = np.concatenate([patches[:5], patches[:5]])
    assert len(find_patch_twins(twice)) == 5
    assert find_patch_twins(twice, apart=["a"] * 10) == ()
    assert len(find_patch_twins(twice, apart=["a"] * 5 + ["b"] * 5)) == 5


def test_of_many_equal_copies_each_is_paired_with_the_first(patches: U8) -> None:
    pairs = find_patch_twins(np.stack([patches[0]] * 4))
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (0, 3)]
    assert {pair.kind for pair in pairs} == {TwinKind.PIXELS}


def test_nothing_has_no_twin() -> None:
    nothing = np.empty((0, 50, 50, 3), np.uint8)
    assert find_patch_twins(nothing) == ()
    assert find_patch_twins(np.zeros((1, 50, 50, 3), np.uint8), nothing) == ()


def test_flat_patches_do_not_stop_the_search() -> None:
    flat = np.stack([np.full((50, 50, 3), level, np.uint8) for level in (10, 200, 230)])
    assert find_patch_twins(flat) == ()


pictures = st.integers(0, 2**32 - 1).map(
    lambda seed: cv2.GaussianBlur(
        np.random.default_rng(seed).integers(0, 256, (64, 64), dtype=np.uint8), (0, 0), 3
    )
)


@given(pictures, st.integers(0, 7), st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=25, deadline=None)
def test_a_spectrum_stays_when_a_picture_is_turned(picture: U8, position: int, dx: int, dy: int) -> None:
    detail = details(picture[np.newaxis])
    moved = np.roll(turn(detail[0], position), (dy, dx), axis=(0, 1))
    np.testing.assert_allclose(spectra(detail)[0], spectra(moved[np.newaxis])[0], atol=2e-3)


@given(pictures, pictures, st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_a_folded_thumbnail_never_hides_a_correlation(first: U8, second: U8, position: int) -> None:
    mixed = np.clip(0.7 * first + 0.3 * turn(second.astype(np.float32), position), 0, 255).astype(np.uint8)

    def small(picture: F32) -> F32:
        flat = to_square(picture.astype(np.uint8), 16).astype(np.float32).ravel()
        return (flat - flat.mean()) / np.linalg.norm(flat - flat.mean())

    correlation = float(small(first.astype(np.float32)) @ small(mixed.astype(np.float32)))
    folded = folded_thumbnails(np.stack([first, mixed]))
    assert float(folded[0] @ folded[1]) >= correlation - 1e-3


@given(pictures, st.integers(0, 7), st.integers(-6, 6), st.integers(-6, 6))
@settings(max_examples=25, deadline=None)
def test_the_best_position_undoes_turn_and_shift(picture: U8, position: int, dx: int, dy: int) -> None:
    detail = details(picture[np.newaxis])[0]
    moved = np.roll(detail, (dy, dx), axis=(0, 1))
    # `moved` is first turned the other way, so that the search has to turn it back.
    back = next(other for k in range(8) if np.array_equal(turn(other := turn(moved, k), position), moved))
    found, peak, found_dx, found_dy = best_position(detail, back)
    assert (found, found_dx, found_dy) == (position, dx, dy)
    assert peak == pytest.approx(1.0, abs=1e-3)


def test_nearest_pairs_are_those_of_all_pairs() -> None:
    rows = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similar = rows @ rows.T
    expected = {(i, j) for i in range(40) for j in range(i + 1, 40) if similar[i, j] >= 0.8}
    assert {tuple(pair) for pair in nearest_pairs(rows, None, 39, 0.8).tolist()} == expected


# --- real images ---


def image_twins(folder: Path, names: Sequence[str]) -> dict[tuple[str, str], TwinKind]:
    from alltrain.audit.image_records import read_records, study_images

    chosen = [image for image in study_images(folder) if any(name in image.source for name in names)]
    records = read_records(chosen)
    squares = np.stack([record.square for record in records])
    pairs = find_twins([record.pixel_key for record in records], squares, IMAGES)
    stems = [Path(record.image.source).stem for record in records]
    return {(stems[pair.first], stems[pair.second]): pair.kind for pair in pairs}


def test_the_photograph_that_all_idb1_holds_twice_is_found(shared_data: Path) -> None:
    found = image_twins(shared_data / "all-idb1", ["Im09", "Im108"])
    assert found == {("Im093_0", "Im108_0"): TwinKind.PIXELS}


def test_no_two_cells_of_another_scanner_are_taken_for_one(shared_data: Path) -> None:
    assert image_twins(shared_data / "pbc", ["LY_1", "LY_2", "BA_1"]) == {}


def test_the_known_twins_of_taleqani_are_found(shared_data: Path) -> None:
    found = image_twins(shared_data / "taleqani", ["Pro Malignant/"])
    pairs = [(f"WBC-Malignant-Pro-{a:03d}", f"WBC-Malignant-Pro-{a + 1:03d}") for a in (3, 7, 11, 145)]
    assert set(pairs) <= set(found)
    assert len(found) >= 30


def test_cells_that_overlapping_fields_share_are_found(shared_data: Path, tmp_path: Path) -> None:
    for kind, suffix in (("im", "jpg"), ("xyc", "xyc")):
        (tmp_path / kind).mkdir()
        for name in ("Im020_1", "Im021_1", "Im039_0", "Im044_0"):
            source = shared_data / "all-idb1" / kind / f"{name}.{suffix}"
            if source.is_file():
                (tmp_path / kind / source.name).symlink_to(source)
    patch_set = load_patches(tmp_path, allow_no_groups=True)
    pairs = find_patch_twins(patch_set.patches, apart=patch_set.sources)
    shared = {(patch_set.sources[pair.first], patch_set.sources[pair.second]) for pair in pairs}
    assert shared == {("im/Im020_1.jpg", "im/Im021_1.jpg"), ("im/Im039_0.jpg", "im/Im044_0.jpg")}
