"""Quality: each way a picture can be useless has its own name, and no real field has one."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from alledge.illumination import estimate_illumination
from alledge.pixel_size import estimate_pixel_size
from alledge.quality import judge_quality
from alledge.types import Quality, Verdict
from tests.edge.painted_fields import PaintedField


def quality_of(pixels: np.ndarray) -> Quality:
    illumination = estimate_illumination(pixels)
    return judge_quality(pixels, illumination, estimate_pixel_size(pixels, illumination).pixel_um)


@pytest.fixture(name="smear")
def _smear() -> np.ndarray:
    return PaintedField().red_cells(70).white_cell(30, 30).white_cell(70, 50).pixels()


def plain(level: int | tuple[int, int, int]) -> np.ndarray:
    return np.full((400, 500, 3), level, np.uint8)


def test_a_sharp_smear_can_be_judged(smear):
    assert quality_of(smear).verdict is Verdict.OK


def test_every_verdict_comes_with_a_sentence(smear):
    for picture in (smear, plain(0), plain(200), cv2.GaussianBlur(smear, (0, 0), 12)):
        assert quality_of(picture).advice.endswith(".")


@pytest.mark.parametrize("blur_um", [1.5, 2.0, 3.0])
def test_a_blurred_smear_is_out_of_focus(smear, blur_um):
    assert quality_of(cv2.GaussianBlur(smear, (0, 0), blur_um / 0.2)).verdict is Verdict.OUT_OF_FOCUS


def test_focus_falls_with_blur(smear):
    values = [quality_of(cv2.GaussianBlur(smear, (0, 0), blur / 0.2)).focus for blur in (0.2, 0.5, 0.9, 1.4)]
    assert values == sorted(values, reverse=True)


def test_focus_does_not_depend_on_the_strength_of_the_stain():
    pale, dark = PaintedField().red_cells(70), PaintedField().red_cells(70)
    pale.density *= 0.5
    values = [quality_of(field.pixels(blur_um=0.5, noise=0.5)).focus for field in (pale, dark)]
    assert values[0] == pytest.approx(values[1], rel=0.15)


def test_a_lamp_turned_down_is_too_dark(smear):
    assert quality_of((smear * 0.15).astype(np.uint8)).verdict is Verdict.TOO_DARK


def test_an_exposure_too_long_is_saturated(smear):
    assert quality_of(np.clip(smear * 2.5, 0, 255).astype(np.uint8)).verdict is Verdict.SATURATED


def test_a_blank_slide_is_no_smear():
    assert quality_of(PaintedField().pixels()).verdict is Verdict.NO_SMEAR


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)


def checkerboard() -> np.ndarray:
    squares = (np.indices((400, 500)) // 25).sum(axis=0) % 2 * 255
    return np.repeat(squares.astype(np.uint8)[..., np.newaxis], 3, axis=2)


def text() -> np.ndarray:
    page = plain(255)
    for y in range(30, 400, 30):
        cv2.putText(
            page, "research use only 0123456789", (10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 2
        )
    return page


def landscape() -> np.ndarray:
    picture = plain((230, 190, 150))
    picture[220:] = (60, 140, 70)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform((0, 220), (500, 400), (300, 2)).astype(int).tolist():
        cv2.circle(picture, (x, y), 6, (30, int(rng.integers(80, 160)), 40), -1)
    return picture


@pytest.mark.parametrize("picture", [noise, checkerboard, text, landscape])
def test_pictures_of_something_else_are_no_smear(picture):
    assert quality_of(picture()).verdict is Verdict.NOT_A_SMEAR


@pytest.mark.parametrize("level", [0, 30, 128, 255, (40, 180, 60), (200, 40, 40)])
def test_a_plain_colour_is_never_ok(level):
    assert quality_of(plain(level)).verdict is not Verdict.OK


def test_a_nucleus_cut_out_on_black_can_be_judged():
    crop = np.zeros((300, 300, 3), np.uint8)
    cv2.circle(crop, (150, 150), 110, (150, 60, 110), -1)
    assert quality_of(crop).verdict is Verdict.OK


def test_quality_without_a_pixel_size_is_judged_too(smear):
    assert judge_quality(smear, estimate_illumination(smear), None).verdict is Verdict.OK


@pytest.mark.parametrize(
    "pattern",
    [
        "all-idb1/im/*.jpg",
        "all-idb2/img/*.tif",
        "bccd/JPEGImages/*.jpg",
        "draaslan-bcd/images/*.png",
        "txl-raabin/images/*.jpg",
        "pbc/*/*.jpg",
        "taleqani/*/*.jpg",
    ],
)
def test_real_fields_can_be_judged_and_spoilt_ones_cannot(shared_data: Path, pattern):
    paths = sorted(shared_data.glob(pattern))
    for path in paths[:: len(paths) // 8]:
        pixels = cv2.imread(str(path))
        assert quality_of(pixels).verdict is Verdict.OK, path
        assert quality_of((pixels * 0.15).astype(np.uint8)).verdict is Verdict.TOO_DARK
