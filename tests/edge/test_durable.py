"""Files and folders appear whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.durable import write_folder_whole, write_unflushed, write_whole
from alledge.errors import PathUnusable, StorageFailed

MARKER = "made-by-us.txt"


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["result.json"]


def test_bytes_reach_the_medium_before_the_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    flush, replace = os.fsync, Path.replace

    def spy_flush(handle: int) -> None:
        happened.append("flush")
        flush(handle)

    def spy_replace(path: Path, target: Path) -> Path:
        happened.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", spy_flush)
    monkeypatch.setattr(Path, "replace", spy_replace)
    write_whole(tmp_path / "result.json", b"one")
    assert happened == ["flush", "rename", "flush"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageFailed, match=r"result\.json could not be written \(No space left") as refusal:
        write_whole(path, b"new")
    assert "Free space" in refusal.value.next_step
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["result.json"]


def test_a_missing_or_forbidden_folder_is_a_storage_failure(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="No such file"):
        write_whole(tmp_path / "nowhere" / "result.json", b"")
    with pytest.raises(StorageFailed):
        write_whole(Path("/proc/result.json"), b"")


def test_files_follow_the_umask_of_the_user(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "result.json", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "result.json").stat().st_mode & 0o777 == 0o640


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    with write_folder_whole(out, MARKER) as folder:
        (folder / MARKER).write_text("yes")
        assert not out.exists()
    assert names(out) == [MARKER]
    assert names(out.parent) == ["run"]


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), write_folder_whole(tmp_path / "run", MARKER) as folder:  # noqa: PT012
        (folder / MARKER).write_text("yes")
        raise KeyError
    assert names(tmp_path) == []


def test_a_full_disk_inside_the_block_is_a_storage_failure(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="run"), write_folder_whole(tmp_path / "run", MARKER):
        full_disk()
    assert names(tmp_path) == []


def make_foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")


@pytest.mark.parametrize("make", [make_foreign_folder, Path.touch, lambda path: path.symlink_to("elsewhere")])
def test_what_is_not_ours_is_never_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "run")
    with pytest.raises(PathUnusable, match="Name a new folder"), write_folder_whole(tmp_path / "run", MARKER):
        pytest.fail("the block must not start")
    assert names(tmp_path) == ["run"]


def test_an_earlier_folder_of_ours_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with write_folder_whole(tmp_path / "run", MARKER) as folder:
            (folder / MARKER).write_text(content)
            (folder / content).touch()
    assert names(tmp_path / "run") == [MARKER, "new"]
    assert names(tmp_path) == ["run"]


def test_the_earlier_folder_comes_back_when_the_new_one_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write_folder_whole(tmp_path / "run", MARKER) as folder:
        (folder / MARKER).write_text("old")
    rename = Path.rename

    def rename_but_partial(path: Path, target: Path) -> Path:
        if path.suffix == ".partial":
            full_disk()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_but_partial)
    with pytest.raises(StorageFailed), write_folder_whole(tmp_path / "run", MARKER) as folder:
        (folder / MARKER).write_text("new")
    assert (tmp_path / "run" / MARKER).read_text() == "old"
    assert names(tmp_path) == ["run"]


def test_a_file_of_run_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    write_unflushed(path, b"old")
    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(StorageFailed, match=r"status\.json could not be written \(No space left"):
        write_unflushed(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["status.json"]
