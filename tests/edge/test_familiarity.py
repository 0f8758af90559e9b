"""What the training patches look like, so that rubbish is not called a cell."""

import csv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from alledge.familiarity import (
    FEATURE_NAMES,
    Familiarity,
    familiarity_distances,
    fit_familiarity,
    is_familiar,
    patch_features,
)
from alledge.illumination import estimate_illumination
from alledge.images import read_image
from alledge.patches import cut_patches
from alledge.pixel_size import estimate_pixel_size
from alledge.types import U8
from tests.edge.tiny_model import tiny_patches


@pytest.fixture(scope="module")
def familiarity() -> Familiarity:
    return fit_familiarity(tiny_patches(200))


def test_features_are_one_row_a_patch_in_the_order_of_their_names() -> None:
    features = patch_features(tiny_patches(3))
    assert features.shape == (3, len(FEATURE_NAMES))
    assert np.isfinite(features).all()
    assert patch_features(tiny_patches(0)).shape == (0, len(FEATURE_NAMES))


def test_features_read_as_named() -> None:
    plasma = np.full((1, 50, 50, 3), 230, dtype=np.uint8)
    centred = plasma.copy()
    centred[0, 15:35, 15:35] = [90, 50, 130]
    empty, cell = (dict(zip(FEATURE_NAMES, patch_features(p)[0], strict=True)) for p in (plasma, centred))
    assert empty["red_absorbance"] == pytest.approx(0, abs=1e-6)
    assert empty["plasma_fraction"] == 1
    assert empty["nucleus_fraction"] == 0
    assert cell["nucleus_fraction"] == pytest.approx(400 / 2500)
    assert cell["centre_over_rim"] > 0.2
    assert cell["log_edge_contrast"] > empty["log_edge_contrast"]


def test_black_pixels_are_finite() -> None:
    assert np.isfinite(patch_features(np.zeros((1, 50, 50, 3), dtype=np.uint8))).all()


def test_patches_of_the_same_kind_are_familiar(familiarity: Familiarity) -> None:
    assert is_familiar(tiny_patches(200, seed=9), familiarity).mean() > 0.97


RUBBISH = {
    "noise": np.random.default_rng(0).integers(0, 256, (50, 50, 3)),
    "black": np.zeros((50, 50, 3)),
    "empty plasma": np.full((50, 50, 3), 230),
    "green": np.full((50, 50, 3), (20, 200, 20)),
    "stripes": np.where(np.arange(50)[:, None, None] % 4 < 2, 20, 250) * np.ones((50, 50, 3)),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_not(name: str, familiarity: Familiarity) -> None:
    patch = RUBBISH[name].astype(np.uint8)[None]
    assert not is_familiar(patch, familiarity)[0]


def test_distance_does_not_depend_on_the_company(familiarity: Familiarity) -> None:
    patches = tiny_patches(10)
    alone = [float(familiarity_distances(patch[None], familiarity)[0]) for patch in patches]
    assert familiarity_distances(patches, familiarity) == pytest.approx(alone)


def test_two_identical_patches_are_enough_to_fit() -> None:
    twin = np.repeat(tiny_patches(1), 2, axis=0)
    assert is_familiar(twin, fit_familiarity(twin)).all()


def real_cells(shared_data: Path, n_images_a_session: int) -> tuple[U8, npt.NDArray[np.str_]]:
    """Patches of annotated white cells of ALL-IDB1, and the session of each."""
    with (shared_data / "all-idb1" / "groups.csv").open() as stream:
        sessions = [(row["image"], row["group"]) for row in csv.DictReader(stream)]
    with (shared_data / "all-idb1" / "wbc_points.csv").open() as stream:
        points = [row for row in csv.DictReader(stream) if row["type"] in ("blast", "wbc_other")]
    patches, groups = [], []
    for session in sorted({group for _, group in sessions}):
        images = [image for image, group in sessions if group == session]
        for image in images[:: max(1, len(images) // n_images_a_session)]:
            pixels = read_image(next((shared_data / "all-idb1" / "im").glob(f"{Path(image).stem}.*")))
            illumination = estimate_illumination(pixels)
            own = [row for row in points if Path(row["image"]).stem == Path(image).stem]
            centres = [
                (float(row["x"]), float(row["y"])) for row in own if float(row["dist_to_border_px"]) > 120
            ]
            if centres:
                pixel_um = estimate_pixel_size(pixels, illumination).pixel_um
                patches.append(cut_patches(pixels, centres, pixel_um, illumination))
                groups += [session] * len(centres)
    return np.concatenate(patches), np.array(groups)


def test_real_cells_of_a_session_never_seen_stay_familiar_and_blurred_ones_do_not(shared_data: Path) -> None:
    patches, groups = real_cells(shared_data, 12)
    blurred = np.stack([cv2.GaussianBlur(patch, (0, 0), 4) for patch in patches])
    sharp_familiar, blurred_familiar = np.zeros(len(patches)), np.zeros(len(patches))
    for held_out in np.unique(groups):
        own = groups == held_out
        familiarity = fit_familiarity(patches[~own])
        sharp_familiar[own] = is_familiar(patches[own], familiarity)
        blurred_familiar[own] = is_familiar(blurred[own], familiarity)
    assert sharp_familiar.mean() > 0.9
    assert blurred_familiar.mean() < 0.2
