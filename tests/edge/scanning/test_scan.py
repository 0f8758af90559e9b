"""A scan: each image once, in order, the same bytes from any number of processes, and gone on with."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.scan import Scan, find_images, scan_images
from alledge.scanning.refusals import ScanDiffers, ScanUnfinished
from tests.edge.scanning.archive import make_archive, painted, quiet, scan_of, settings, sources
from tests.edge.service.tiny_service import true_model_bytes


def stop_after(n: int) -> Callable[[int, int], None]:
    """As Ctrl-C after the n-th image."""

    def progress(n_done: int, n_images: int) -> None:
        if n_done == n:
            raise KeyboardInterrupt

    return progress


def interrupted(scan: Scan, n: int) -> Scan:
    with pytest.raises(KeyboardInterrupt):
        scan_images(scan, stop_after(n))
    return scan


def test_three_processes_write_the_bytes_of_one_with_a_model(tmp_path: Path) -> None:
    model = tmp_path / "tiny.tflite"
    model.write_bytes(true_model_bytes())
    images = find_images([make_archive(tmp_path / "in", 12)])
    for n_jobs in (1, 3):
        scan_images(Scan(images, tmp_path / f"{n_jobs}.jsonl", settings(model), n_jobs=n_jobs), quiet)
    assert sources(tmp_path / "1.jsonl") == [str(image) for image in images]
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "3.jsonl").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"in", "tiny.tflite", "1.jsonl", "3.jsonl"}


def test_what_is_done_when_a_scan_is_interrupted_is_not_done_again(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "in", 10)
    scan_images(scan_of(folder, tmp_path / "whole.jsonl"), quiet)
    scan = interrupted(scan_of(folder, tmp_path / "r.jsonl"), 4)
    assert not scan.out.exists()
    done: list[int] = []
    scan_images(scan, lambda n_done, n_images: done.append(n_done), resume=True)
    assert done == list(range(4, 11))
    assert scan.out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_an_interrupted_scan_got_done_is_never_thrown_away_unasked(tmp_path: Path) -> None:
    scan = interrupted(scan_of(make_archive(tmp_path / "in", 4), tmp_path / "r.jsonl"), 2)
    kept = scan.working_file.read_bytes()
    with pytest.raises(ScanUnfinished, match="--resume"):
        scan_images(scan, quiet)
    assert scan.working_file.read_bytes() == kept


def change_a_done_image(folder: Path) -> None:
    (folder / "field0001.png").write_bytes(painted(6))


def change_bytes_but_not_size(folder: Path) -> None:
    data = bytearray((folder / "field0001.png").read_bytes())
    data[-1] ^= 1
    (folder / "field0001.png").write_bytes(data)


def add_an_image_before(folder: Path) -> None:
    (folder / "a.png").write_bytes(painted(1))


def add_an_image_behind(folder: Path) -> None:
    (folder / "z.png").write_bytes(painted(1))


def rename_an_image_not_yet_done(folder: Path) -> None:
    (folder / "field0005.png").rename(folder / "field0006.png")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (change_a_done_image, r"field0001\.png has changed"),
        (change_bytes_but_not_size, r"field0001\.png has changed"),
        (add_an_image_before, r"field0000\.png was image 1"),
        (add_an_image_behind, "differ in the images: 6 and 7"),
        (rename_an_image_not_yet_done, "differ in the names of the images"),
    ],
)
def test_an_archive_that_changed_is_refused_by_name(
    change: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    folder = make_archive(tmp_path / "in", 6)
    interrupted(scan_of(folder, tmp_path / "r.jsonl"), 3)
    change(folder)
    with pytest.raises(ScanDiffers, match=told):
        scan_images(scan_of(folder, tmp_path / "r.jsonl"), quiet, resume=True)


def test_an_image_that_was_only_touched_is_the_same_image(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "in", 4)
    scan = interrupted(scan_of(folder, tmp_path / "r.jsonl"), 3)
    os.utime(folder / "field0000.png")
    scan_images(scan, quiet, resume=True)
    assert len(sources(scan.out)) == 4


def test_another_model_or_setting_is_refused_by_name(tmp_path: Path) -> None:
    images = find_images([make_archive(tmp_path / "in", 4)])
    out, model = tmp_path / "r.jsonl", tmp_path / "tiny.tflite"
    model.write_bytes(true_model_bytes())
    interrupted(Scan(images, out, settings(), n_jobs=1), 2)
    with pytest.raises(ScanDiffers, match=r"differ in model: none and [0-9a-f]{64}"):
        scan_images(Scan(images, out, settings(model)), quiet, resume=True)
    with pytest.raises(ScanDiffers, match="differ in --pictures"):
        scan_images(Scan(images, out, settings(pictures=tmp_path / "p")), quiet, resume=True)


def test_an_image_that_cannot_be_read_is_a_line_with_a_code_in_a_file_of_its_own(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "in", 3)
    (folder / "field0001.png").write_bytes(b"no pixels")
    report = scan_images(scan_of(folder, tmp_path / "r.jsonl"), quiet)
    assert (report.n_fields, report.n_unreadable) == (2, 1)
    line = json.loads((tmp_path / "r.jsonl.errors").read_text())
    assert line["source"] == str(folder / "field0001.png")
    assert line["error"]["code"] == "image-unreadable"
    assert len(sources(tmp_path / "r.jsonl")) == 2


def test_the_errors_of_an_earlier_scan_go_with_it(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "in", 2)
    (tmp_path / "r.jsonl.errors").write_text("old")
    scan_images(scan_of(folder, tmp_path / "r.jsonl"), quiet)
    assert not (tmp_path / "r.jsonl.errors").exists()


def test_pictures_of_images_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    for patient in ("a", "b"):
        (tmp_path / patient).mkdir()
    folders = [make_archive(tmp_path / patient / "slide", 1) for patient in ("a", "b")]
    pictures = tmp_path / "pictures"
    scan_images(Scan(find_images(folders), tmp_path / "r.jsonl", settings(pictures=pictures)), quiet)
    assert len(list(pictures.glob("*.annotated.jpg"))) == 2


def test_a_stop_after_any_image_leaves_the_same_results(tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "in", 4)
    scan_images(scan_of(folder, tmp_path / "whole.jsonl"), quiet)
    scan = scan_of(folder, tmp_path / "r.jsonl")
    for n in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            scan_images(scan, stop_after(n), resume=True)
    scan_images(scan, quiet, resume=True)
    assert scan.out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
