"""Shards of several machines: each image in one, joined only when all fit, with the bytes of one scan."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.scan import merge_shards, scan_images
from alledge.scanning.refusals import ScanDiffers, ShardMissing
from alledge.scanning.shards import Shard, shards_beside
from tests.edge.scanning.archive import make_archive, quiet, scan_of


@given(n_images=st.integers(0, 200), n_shards=st.integers(1, 40))
def test_the_slices_are_the_whole_list_in_order_and_of_even_size(n_images: int, n_shards: int) -> None:
    slices = [Shard(number, n_shards).slice_of(n_images) for number in range(1, n_shards + 1)]
    assert [place for slice_ in slices for place in slice_] == list(range(n_images))
    sizes = [len(slice_) for slice_ in slices]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="K/N"):
        Shard.parse(text)


def scan_shards(folder: Path, out: Path, n_shards: int, *only: int) -> None:
    for number in only or range(1, n_shards + 1):
        scan_images(replace(scan_of(folder, out, 1), shard=Shard(number, n_shards)), quiet)


@pytest.mark.parametrize("n_shards", [2, 7])
def test_merged_shards_are_the_results_of_one_process(n_shards: int, tmp_path: Path) -> None:
    folder = make_archive(tmp_path / "in", 5)
    (folder / "field0002.png").write_bytes(b"no pixels")
    scan_images(scan_of(folder, tmp_path / "one.jsonl"), quiet)
    scan_shards(folder, tmp_path / "many.jsonl", n_shards)
    assert not (tmp_path / "many.jsonl").exists()
    merge_shards(shards_beside(tmp_path / "many.jsonl"), tmp_path / "many.jsonl")
    for name in ("", ".errors"):
        many, one = tmp_path / f"many.jsonl{name}", tmp_path / f"one.jsonl{name}"
        assert many.read_bytes() == one.read_bytes()


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    folder, out = make_archive(tmp_path / "in", 4), tmp_path / "r.jsonl"
    with pytest.raises(ShardMissing, match=r"r\.jsonl\.shard"):
        shards_beside(out)
    scan_shards(folder, out, 3, 1, 3)
    with pytest.raises(ShardMissing, match="Shard 2/3"):
        merge_shards(shards_beside(out), out)
    assert not out.exists()


def test_a_shard_that_is_not_finished_is_named(tmp_path: Path) -> None:
    folder, out = make_archive(tmp_path / "in", 4), tmp_path / "r.jsonl"
    scan_shards(folder, out, 2)
    second = tmp_path / "r.jsonl.shard-2-of-2"
    second.write_bytes(second.read_bytes()[:-5])
    with pytest.raises(ShardMissing, match=r"Shard 2/2 .* 1 of 2 images"):
        merge_shards(shards_beside(out), out)
    assert not out.exists()


def test_shards_of_different_archives_are_never_joined(tmp_path: Path) -> None:
    one, other = make_archive(tmp_path / "one", 4), make_archive(tmp_path / "other", 4)
    out = tmp_path / "r.jsonl"
    scan_shards(one, out, 2, 1)
    scan_shards(other, out, 2, 2)
    with pytest.raises(ScanDiffers, match="names of the images"):
        merge_shards(shards_beside(out), out)


def test_a_shard_given_twice_is_refused(tmp_path: Path) -> None:
    folder, out = make_archive(tmp_path / "in", 4), tmp_path / "r.jsonl"
    scan_shards(folder, out, 2)
    shards = shards_beside(out)
    with pytest.raises(ScanDiffers, match="twice"):
        merge_shards([*shards, shards[0]], out)
