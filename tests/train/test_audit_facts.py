"""What files and groups tell of the class: read rightly, measured rightly, and chance told from finding."""

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alltrain.audit.correlates import areas_by_rank, cramers_v, exchange_groups, find_correlates, mean_ranks
from alltrain.audit.file_facts import FileFacts, read_facts
from alltrain.audit.image_records import ImageRecord, StudyImage, brightest, frame_of
from alltrain.metrics import weighted_auroc


def jpeg(quality: int = 90) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def with_exif(order: str = "<") -> bytes:
    """A JPEG whose EXIF block names a camera, a time and an exposure of 1/250 s."""
    model, taken = b"C2500L\0", b"2004:04:21 17:25:06\0"
    exif_at, text_at = 8 + 2 + 2 * 12 + 4, 8 + 2 + 2 * 12 + 4 + 2 + 2 * 12 + 4
    directory = struct.pack(order + "H", 2)
    directory += struct.pack(order + "HHII", 0x0110, 2, len(model), text_at)
    directory += struct.pack(order + "HHII", 0x8769, 4, 1, exif_at) + bytes(4)
    inner = struct.pack(order + "H", 2)
    inner += struct.pack(order + "HHII", 0x829A, 5, 1, text_at + len(model) + len(taken))
    inner += struct.pack(order + "HHII", 0x9003, 2, len(taken), text_at + len(model)) + bytes(4)
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    tiff += directory + inner + model + taken + struct.pack(order + "II", 1, 250)
    body = b"Exif\0\0" + tiff
    plain = jpeg()
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]


@pytest.mark.parametrize("order", ["<", ">"])
def test_camera_time_and_exposure_are_read_from_exif(order: str) -> None:
    facts = read_facts(with_exif(order))
    assert (facts.camera, facts.taken) == ("C2500L", "2004:04:21 17:25:06")
    assert facts.exposure_s == pytest.approx(1 / 250)
    assert (facts.kind, facts.width, facts.height) == ("JPEG", 64, 48)


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    assert read_facts(jpeg(quality)).jpeg_quality == pytest.approx(quality, abs=1.5)


@given(st.integers(0, 90), st.binary(min_size=1, max_size=8))
def test_a_damaged_exif_block_is_no_error(at: int, junk: bytes) -> None:
    data = bytearray(with_exif())
    start = 12 + at  # within the EXIF block, behind its mark
    data[start : start + len(junk)] = junk
    assert read_facts(bytes(data)).kind == "JPEG"


def test_a_file_without_exif_tells_no_camera() -> None:
    facts = read_facts(jpeg())
    assert (facts.camera, facts.taken, facts.exposure_s) == (None, None, None)


def test_the_cameras_of_all_idb1_are_those_of_its_list(shared_data: Path) -> None:
    facts = read_facts((shared_data / "all-idb1" / "im" / "Im020_1.jpg").read_bytes())
    assert facts.camera is not None
    assert facts.camera.endswith("C2500L")
    assert (facts.taken, facts.exposure_s) == ("2004:04:21 17:25:06", pytest.approx(0.01))


def test_cramers_v_is_one_when_one_decides_the_other_and_zero_when_independent() -> None:
    codes = np.array([0, 0, 1, 1], dtype=np.int64)
    assert cramers_v(codes, codes, 2, 2) == pytest.approx(1)
    assert cramers_v(codes, np.array([0, 1, 0, 1]), 2, 2) == pytest.approx(0)
    assert cramers_v(codes, np.zeros(4, dtype=np.int64), 2, 2) == 0


def test_areas_by_rank_are_those_of_every_report() -> None:
    rng = np.random.default_rng(3)
    values, labels = rng.integers(0, 9, 60).astype(float), rng.integers(0, 3, 60)
    areas = areas_by_rank(mean_ranks(values), labels, 4)
    for label in range(3):
        assert areas[label] == pytest.approx(weighted_auroc(labels == label, values)(np.ones((1, 60)))[0])
    assert areas[3] == 0.5


def test_exchanging_groups_keeps_labels_together() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2], dtype=np.int64)
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2], dtype=np.int64)
    shuffled = exchange_groups(labels, groups, np.random.default_rng(2))
    assert all(len(set(shuffled[groups == group])) == 1 for group in range(3))
    assert set(shuffled) == {0, 1, 2}


def test_plasma_and_frame_are_where_they_should_be() -> None:
    pixels = np.full((40, 60, 3), 100, np.uint8)
    pixels[10:20, 10:34] = 240
    assert (brightest(pixels) == 240).all()
    pixels[:2], pixels[-2:], pixels[:, :3], pixels[:, -3:] = 7, 7, 7, 7
    assert (frame_of(pixels) == 7).all()
    assert len(frame_of(pixels)) == 40 * 60 - 36 * 54


def records(n_groups: int, per_group: int, told_by: str | None) -> list[ImageRecord]:
    """Images of groups of one class each; the class is told by nothing, or by one fact."""
    rng = np.random.default_rng(5)
    found = []
    for group in range(n_groups):
        label = ("normal", "blast")[group % 2]
        for place in range(per_group):
            facts = FileFacts("JPEG", 640, 480, int(rng.integers(90_000, 110_000)), 90.0, "A", None, 0.01)
            if label == "blast" and told_by is not None:
                changed: dict[str, dict[str, object]] = {
                    "Image size": {"width": 800, "height": 600, "n_bytes": round(facts.n_bytes * 1.5625)},
                    "File format": {"kind": "PNG"},
                    "Camera": {"camera": "B"},
                    "JPEG quality": {"jpeg_quality": 60.0},
                    "Bytes a pixel": {"n_bytes": facts.n_bytes * 2},
                    "Exposure in seconds": {"exposure_s": 0.02},
                }
                facts = replace(facts, **changed[told_by])
            image = StudyImage(f"{group}_{place}.jpg", Path(), f"slide{group}", label)
            zeros = np.zeros(6)
            found.append(
                ImageRecord(image, facts, b"", b"", np.zeros((96, 96), np.uint8), zeros, zeros, zeros)
            )
    return found


@pytest.mark.parametrize(
    "fact",
    ["Image size", "File format", "Camera", "JPEG quality", "Bytes a pixel", "Exposure in seconds"],
)
def test_a_fact_that_goes_with_the_class_is_found(fact: str) -> None:
    telling = {one.name for one in find_correlates(records(10, 4, fact), seed=0) if one.tells}
    assert fact in telling
    assert telling <= {fact, "Image area in pixels"}


def test_facts_that_go_with_nothing_raise_no_alarm() -> None:
    assert not [one for one in find_correlates(records(10, 4, None), seed=0) if one.tells]


def test_few_groups_are_said_to_be_few() -> None:
    (size,) = [one for one in find_correlates(records(4, 8, "Camera"), seed=0) if one.name == "Camera"]
    assert size.p_images <= 0.01
    assert size.p_groups > 0.05
    assert "over 4 groups" in size.sentence()
