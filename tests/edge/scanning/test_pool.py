"""Workers that are killed, slow or broken: the scan goes on, in order, and its memory stays as it is."""

import time
import tracemalloc
from pathlib import Path

import pytest

from alledge.errors import ModelUnreadable
from alledge.scanning import pool, process
from alledge.scanning.crew import in_order
from alledge.scanning.pool import Workers
from alledge.scanning.refusals import ScanDiffers, WorkersFailed
from alledge.scanning.settings import ScanSettings
from alledge.scanning.work import Answer, Task
from tests.edge.scanning.odd_worker import MUCH
from tests.edge.service.tiny_service import true_model_bytes

SETTINGS = ScanSettings(None, None, None, None)
LIMIT_S = 1.5


@pytest.fixture(autouse=True)
def odd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alledge.scanning.process.MODULE", "tests.edge.scanning.odd_worker")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))


def tasks(folder: Path, *names: str) -> list[Task]:
    return [Task(index, str(folder / f"{name}.png"), name) for index, name in enumerate(names)]


def answers(folder: Path, *names: str, n_jobs: int = 2, limit_s: float = pool.LIMIT_S) -> list[Answer]:
    with Workers(SETTINGS, n_jobs, limit_s=limit_s) as workers:
        return list(in_order(workers, tasks(folder, *names)))


def test_a_worker_that_is_killed_is_replaced_and_its_image_tried_once_more(tmp_path: Path) -> None:
    got = answers(tmp_path, "a", "dies-once", "b", "c")
    assert [answer.error for answer in got] == [None] * 4
    assert [answer.index for answer in got] == [0, 1, 2, 3]
    assert (tmp_path / "dies-once.tried").exists()


def test_an_image_that_kills_its_worker_twice_is_an_error_and_no_end(tmp_path: Path) -> None:
    got = answers(tmp_path, "a", "dies-always", "b", "dies-always", "c")
    assert [answer.error for answer in got] == [None, "worker-died", None, "worker-died", None]
    assert "ended 2 times, killed by SIGKILL" in got[1].message


def test_one_worker_alone_is_replaced_too(tmp_path: Path) -> None:
    got = answers(tmp_path, "dies-always", "b", n_jobs=1)
    assert [answer.error for answer in got] == ["worker-died", None]


def test_a_worker_that_hangs_is_killed_after_its_time_and_its_image_tried_once_more(tmp_path: Path) -> None:
    got = answers(tmp_path, "a", "hangs-once", "b", "hangs-always", "c", limit_s=LIMIT_S)
    assert [answer.error for answer in got] == [None, None, None, "image-too-slow", None]
    assert "no answer within 1.5 s, 2 times" in got[3].message
    assert (tmp_path / "hangs-once.tried").exists()


def test_a_worker_that_hangs_at_its_start_ends_the_scan_and_blames_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_START", "hangs")
    monkeypatch.setattr("alledge.scanning.pool.START_LIMIT_S", 0.5)
    with pytest.raises(WorkersFailed, match=r"not ready after 0\.5 s"):
        answers(tmp_path, "a", n_jobs=1)


def test_answers_come_in_order_though_the_first_image_takes_longest(tmp_path: Path) -> None:
    got = answers(tmp_path, "slow", *"abcdefghijklmnop")
    assert [answer.index for answer in got] == list(range(17))


WINDOW_BYTES = 30 * MUCH
"""Eight answers that wait, and those of two workers while they are read, in copies."""


def test_behind_a_slow_image_no_more_is_begun_than_the_window_holds(tmp_path: Path) -> None:
    assert peak_bytes(tmp_path, "slow", *["much"] * 100) < WINDOW_BYTES


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    assert peak_bytes(tmp_path, *["much"] * 300) < WINDOW_BYTES


def peak_bytes(folder: Path, *names: str) -> int:
    """The most that Python held while it took one answer after the other."""
    todo = tasks(folder, *names)
    tracemalloc.start()
    try:
        with Workers(SETTINGS, 2) as workers:
            for _ in in_order(workers, todo):
                pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_workers_that_never_start_end_the_scan_and_blame_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alledge.scanning.process.MODULE", "alledge.types")
    with pytest.raises(WorkersFailed, match="exit status 0"):
        answers(tmp_path, "a")


def test_an_error_of_no_image_ends_the_scan_as_what_it_is(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(b"no model, whatever it was when the scan began")
    with (
        pytest.raises(ModelUnreadable),
        Workers(ScanSettings(model, "0" * 64, None, None), 1) as workers,
    ):
        list(in_order(workers, tasks(tmp_path, "a")))


def test_a_model_that_is_exchanged_during_the_scan_ends_it(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(true_model_bytes())
    with (
        pytest.raises(ScanDiffers, match="exchanged"),
        Workers(ScanSettings(model, "0" * 64, None, None), 1) as workers,
    ):
        list(in_order(workers, tasks(tmp_path, "a")))


def test_a_worker_that_hangs_ends_by_itself_when_nobody_is_left_to_kill_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_ORPHAN_S", "1")
    got = answers(tmp_path, "hangs-always", n_jobs=1)
    assert [answer.error for answer in got] == ["worker-died"]
    assert "killed by SIGALRM" in got[0].message


def test_no_worker_outlives_the_block(tmp_path: Path) -> None:
    workers = Workers(SETTINGS, 2)
    with workers:
        next(in_order(workers, tasks(tmp_path, "a", "slow", "b")))
        processes = [worker.process for worker in workers._workers]
        begun = time.monotonic()
    assert all(process.returncode is not None for process in processes)
    assert time.monotonic() - begun < process.LAST_IMAGE_S
