"""What a worker of a cluster says, for bytes: the local answer, or why it gives none."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alledge.scanning import cluster_worker
from alledge.scanning.cluster_worker import look_at_images
from alledge.scanning.order import MARK, Known, Order
from alledge.scanning.pool import Workers
from alledge.scanning.refusals import same_error
from alledge.scanning.settings import ScanSettings, software_here
from alledge.scanning.work import Answer, Task
from alledge.scanning.worker import STOP, look_at
from tests.edge.scanning.archive import PIXEL_UM, make_archive


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No process outlives its test."""
    yield
    for _, _, workers in cluster_worker._IDLE._idle:
        workers.__exit__()
    cluster_worker._IDLE._idle.clear()


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    """Paths relative to the folder of the command, which is not the folder of the worker."""
    make_archive(tmp_path / "in", 3)
    return [Task(index, f"in/field{index:04}.png", str(index)) for index in range(3)]


def order(folder: Path, pictures: Path | None = None) -> Order:
    settings = ScanSettings(None, None, PIXEL_UM, pictures)
    return Order(settings, str(folder), software_here(with_runtime=False))


def local(task: Task, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    monkeypatch.chdir(folder)
    return look_at(task, order(folder).settings, None)


def refused(told: bytes, code: str) -> str:
    assert told.startswith(STOP), told
    error = same_error(told[len(STOP) :])
    assert error.code == code
    return str(error)


def test_the_answer_is_the_local_one_wherever_the_worker_was_started(
    tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = look_at_images(order(tmp_path).to_bytes(), b"".join(task.to_line() for task in tasks))
    assert [Answer.from_line(line) for line in told.splitlines()] == [
        local(task, tmp_path, monkeypatch) for task in tasks
    ]


def test_one_process_looks_at_all_that_a_thread_is_given(tasks: list[Task], tmp_path: Path) -> None:
    for task in tasks:
        look_at_images(order(tmp_path).to_bytes(), task.to_line())
    assert len(cluster_worker._IDLE._idle) == 1


def test_a_process_that_nobody_asks_goes(tmp_path: Path) -> None:
    idle = cluster_worker._IdleProcesses(0.1)
    workers = Workers(order(tmp_path).settings, 1).__enter__()
    idle.put_back(b"order", workers)
    deadline = time.monotonic() + 20
    while idle._idle and time.monotonic() < deadline:
        time.sleep(0.02)
    assert idle.take(b"order") is None


def test_other_software_than_the_commands_looks_at_nothing(tasks: list[Task], tmp_path: Path) -> None:
    software = software_here(with_runtime=False) | {"processor": "riscv64"}
    told = look_at_images(replace(order(tmp_path), software=software).to_bytes(), tasks[0].to_line())
    assert "riscv64 here" in refused(told, "worker-differs")


def test_who_gives_another_answer_for_a_known_image_gets_no_other(
    tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known.of(tasks[0], local(tasks[0], tmp_path, monkeypatch))
    same = replace(order(tmp_path), known=known)
    assert Answer.from_line(look_at_images(same.to_bytes(), tasks[1].to_line())).error is None
    other = replace(order(tmp_path), known=replace(known, text_sha256="0" * 64))
    assert tasks[0].path in refused(look_at_images(other.to_bytes(), tasks[1].to_line()), "worker-differs")
    assert len(cluster_worker._IDLE._idle) == 1


def test_who_sees_another_file_in_the_place_of_the_known_image_is_told_so(
    tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known.of(tasks[0], local(tasks[0], tmp_path, monkeypatch))
    (tmp_path / "in" / "field0000.png").unlink()
    told = look_at_images(replace(order(tmp_path), known=known).to_bytes(), tasks[1].to_line())
    assert "field0000.png" in refused(told, "archive-unseen")


def test_pictures_go_only_into_the_folder_that_the_command_marked(tasks: list[Task], tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    to_pictures = replace(order(tmp_path, Path("p")), pictures_mark="this one").to_bytes()
    refused(look_at_images(to_pictures, tasks[0].to_line()), "archive-unseen")
    (tmp_path / "p" / MARK).write_text("this one")
    assert Answer.from_line(look_at_images(to_pictures, tasks[0].to_line())).error is None
    assert (tmp_path / "p" / "0.annotated.jpg").exists()


def test_a_module_in_the_folder_of_the_archive_is_none_of_ours(tasks: list[Task], tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    told = look_at_images(order(tmp_path).to_bytes(), tasks[0].to_line())
    assert Answer.from_line(told).error is None


def test_an_order_says_what_it_was_told(tmp_path: Path, tasks: list[Task]) -> None:
    whole = replace(order(tmp_path, Path("p")), known=Known(tasks[0], "ab", "cd"), pictures_mark="mark")
    assert Order.from_bytes(whole.to_bytes()) == whole
