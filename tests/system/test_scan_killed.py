"""`alledge scan` as real processes: killed at random, interrupted, in shards; the bytes are the same."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.edge.scanning.archive import make_archive
from tests.system.processes import BIN, run_command

N = 120


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, two of them damaged."""
    folder = make_archive(tmp_path_factory.mktemp("archive") / "in", N)
    (folder / "field0007.png").write_bytes(b"no pixels")
    whole = (folder / "field0050.png").read_bytes()
    (folder / "field0050.png").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def undisturbed(archive: Path) -> Path:
    """The results of one process that nobody disturbed."""
    out = archive.parent / "undisturbed.jsonl"
    done = run_command("alledge", "scan", archive, "--out", out, "--jobs", 1)
    assert done.status == 2, done.err
    assert done.err.count("skipped [image-unreadable]") == 2
    return out


def start(archive: Path, out: Path, *arguments: object) -> subprocess.Popen[bytes]:
    command = [BIN / "alledge", "scan", archive, "--out", out, "--jobs", 2, *arguments]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def n_lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def wait_for_lines(process: subprocess.Popen[bytes], file: Path, n: int) -> None:
    while process.poll() is None and n_lines(file) < n:
        time.sleep(0.005)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    told = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in told.split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def must_equal(out: Path, undisturbed: Path) -> None:
    assert out.read_bytes() == undisturbed.read_bytes()
    assert Path(f"{out}.errors").read_bytes() == Path(f"{undisturbed}.errors").read_bytes()
    assert not Path(f"{out}.scanning").exists()


def test_after_kill_9_again_and_again_every_image_is_there_exactly_once(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    out = tmp_path / "r.jsonl"
    working = Path(f"{out}.scanning")
    n_killed = 0
    while True:
        process = start(archive, out, "--resume")
        wait_for_lines(process, working, n_lines(working) + chance.randint(0, 40))
        time.sleep(chance.uniform(0.0, 0.03))
        if process.poll() is not None:
            break
        workers = children(process)
        process.kill()
        process.wait()
        n_killed += 1
        deadline = time.monotonic() + 20
        while any(map(is_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(map(is_alive, workers)), "a worker outlived its scan"
    assert process.returncode == 2
    assert n_killed >= 3
    must_equal(out, undisturbed)


def test_workers_that_are_killed_at_random_change_nothing(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """No image is looked at by three workers in a row that are killed: not one is lost for it."""
    out = tmp_path / "r.jsonl"
    process = start(archive, out)
    for n in (20, 60, 90):
        wait_for_lines(process, Path(f"{out}.scanning"), n)
        os.kill(children(process)[-1], signal.SIGKILL)
    assert process.wait(120) == 2
    must_equal(out, undisturbed)


def test_ctrl_c_keeps_what_is_done_and_says_no_more_than_that(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.jsonl"
    working = Path(f"{out}.scanning")
    process = start(archive, out)
    wait_for_lines(process, working, 40)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert n_lines(working) >= 40
    assert not out.exists()
    run_command("alledge", "scan", archive, "--out", out).must_refuse("scan-unfinished")
    changed = run_command("alledge", "scan", archive, "--out", out, "--resume", "--pixel-um", 0.1)
    assert "--pixel-um" in changed.must_refuse("scan-differs").err
    assert run_command("alledge", "scan", archive, "--out", out, "--resume").status == 2
    must_equal(out, undisturbed)


def test_two_shards_at_once_one_of_them_killed_merge_into_the_bytes_of_one_process(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.jsonl"
    first, second = (start(archive, out, "--resume", "--shard", f"{k}/2") for k in (1, 2))
    wait_for_lines(second, Path(f"{out}.shard-2-of-2"), 20)
    second.kill()
    second.wait()
    assert first.wait(120) == 0
    run_command("alledge", "scan", "--merge", "--out", out).must_refuse("shard-missing")
    assert not out.exists()
    assert start(archive, out, "--resume", "--shard", "2/2").wait(120) == 0
    assert run_command("alledge", "scan", "--merge", "--out", out).status == 2
    must_equal(out, undisturbed)
    sources = [json.loads(line)["source"] for line in out.read_text().splitlines()]
    assert len(set(sources)) == len(sources) == N - 2


def test_a_scan_of_nothing_readable_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"no pixels")
    done = run_command("alledge", "scan", tmp_path / "in", "--out", tmp_path / "r.jsonl")
    done.must_refuse("image-unreadable")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_shard_that_is_none_is_refused_by_name(archive: Path, tmp_path: Path) -> None:
    done = run_command("alledge", "scan", archive, "--out", tmp_path / "r.jsonl", "--shard", "3/2")
    assert done.status == 2
    assert "--shard" in done.err
    assert not list(tmp_path.iterdir())
