"""A crew far away: a bounded window that follows the workers, and no answer that cannot be confirmed here."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alledge.errors import AllscopeError
from alledge.scanning import cluster
from alledge.scanning.cluster import Cluster, ClusterWorkers, confirmed
from alledge.scanning.crew import in_order
from alledge.scanning.refusals import (
    ArchiveUnseen,
    ClusterEmpty,
    ClusterExtraMissing,
    WorkerDiffers,
    told_error,
)
from alledge.scanning.settings import software_here
from alledge.scanning.work import Answer, Task, error_answer, stat_identity
from alledge.scanning.worker import STOP, look_at
from tests.edge.scanning.archive import make_archive, settings

N = 30


@pytest.fixture
def archive(tmp_path: Path) -> list[Task]:
    folder = make_archive(tmp_path / "in", N)
    return [Task(index, str(path), path.stem) for index, path in enumerate(sorted(folder.iterdir()))]


class FakeDask:
    """Answers the newest image first, a few at a time, while `threads` says how many workers there are."""

    def __init__(self, threads: Sequence[int]) -> None:
        self._threads = list(threads)
        self.waiting: list[tuple[int, list[Task]]] = []
        self.bunches: list[int] = []
        self.lost: set[int] = set()
        self.refuses: AllscopeError | None = None
        self.software = software_here(with_runtime=False)
        self.most = 0

    def connect(self, scheduler: str) -> "FakeDask":
        return self

    def close(self) -> None:
        self.waiting.clear()

    def n_threads(self) -> dict[str, int]:
        return {"w": self._threads.pop(0) if len(self._threads) > 1 else self._threads[0]}

    def ask_each(self, question: Callable[[], dict[str, str]]) -> list[dict[str, str]]:
        return [self.software | {"worker": "node7"}]

    def submit(self, number: int, name: str, look: object, order: bytes, tasks: bytes) -> None:
        assert number not in [other for other, _ in self.waiting]
        self.waiting.append((number, [Task.from_line(task) for task in tasks.splitlines()]))
        self.bunches.append(len(self.waiting[-1][1]))
        self.most = max(self.most, sum(len(tasks) for _, tasks in self.waiting))

    def answers(self) -> Iterator[tuple[int, object]]:
        from alledge.scanning.dask_client import Lost

        for _ in range(min(3, len(self.waiting))):
            number, tasks = self.waiting.pop()
            if self.refuses is not None:
                yield number, STOP + told_error(self.refuses)
            elif self.lost & {task.index for task in tasks}:
                yield number, Lost(4)
            else:
                yield number, b"".join(look_at(task, settings(), None).to_line() for task in tasks)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDask:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    fake = FakeDask([2])
    monkeypatch.setattr("alledge.scanning.dask_client.DaskClient", fake)
    return fake


def quiet(line: str) -> None:
    """Nothing is told."""


def crew(tasks: Sequence[Task], wait_s: float = 600.0, say: Callable[[str], None] = quiet) -> ClusterWorkers:
    return ClusterWorkers(Cluster("tcp://somewhere:8786", wait_s), settings(), tasks, say)


def test_answers_come_in_order_however_they_arrive(archive: list[Task], fake: FakeDask) -> None:
    with crew(archive) as workers:
        assert [answer.index for answer in in_order(workers, archive)] == list(range(N))


def test_no_more_images_are_under_way_than_four_a_thread(archive: list[Task], fake: FakeDask) -> None:
    with crew(archive) as workers:
        list(in_order(workers, archive))
    assert fake.most == 8


def test_the_window_follows_workers_that_come_and_go(
    archive: list[Task], fake: FakeDask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_LOOK_EVERY_S", 0.0)
    fake._threads = [1, 1, 5, 5, 0, 0, 1]
    rooms = []
    with crew(archive) as workers:
        for _ in in_order(workers, archive):
            rooms.append(workers.room)
    assert max(rooms) == 20
    assert rooms[-1] == 4
    assert fake.most <= 20


def test_an_image_of_which_the_workers_are_lost_is_an_error_of_its_own(
    archive: list[Task], fake: FakeDask
) -> None:
    fake.lost = {5}
    with crew(archive) as workers:
        answers = list(in_order(workers, archive))
    assert [answer.index for answer in answers if answer.error] == [5]
    assert answers[5].error == "worker-died"
    assert "lost, 4 at the last try" in answers[5].message


def test_many_threads_are_given_several_images_at_once(archive: list[Task], fake: FakeDask) -> None:
    fake._threads = [64]
    with crew(archive) as workers:
        assert [answer.index for answer in in_order(workers, archive)] == list(range(N))
    assert fake.bunches == [4] * 7 + [2]


def test_of_images_that_were_lost_together_only_the_one_that_is_lost_alone_is_an_error(
    archive: list[Task], fake: FakeDask
) -> None:
    fake._threads = [64]
    fake.lost = {5}
    with crew(archive) as workers:
        answers = list(in_order(workers, archive))
    assert [answer.index for answer in answers if answer.error] == [5]


def test_a_cluster_without_workers_is_waited_for_in_words_and_not_for_ever(
    archive: list[Task], fake: FakeDask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_LOOK_EVERY_S", 0.0)
    fake._threads = [0]
    told: list[str] = []
    with pytest.raises(ClusterEmpty, match=r"no worker for 0\.1 s"), crew(archive, 0.1, told.append):
        pass
    assert told == ["no worker in the cluster; waiting 0.1 s for one"]


def test_other_software_is_refused_by_name_before_the_first_image(
    archive: list[Task], fake: FakeDask
) -> None:
    fake.software = fake.software | {"version of numpy": "1.2.3"}
    with pytest.raises(WorkerDiffers, match=r"node7: .*version of numpy: 1\.2\.3"), crew(archive):
        pass
    assert fake.most == 0


def test_a_worker_that_joins_later_and_differs_ends_the_scan_by_name(
    archive: list[Task], fake: FakeDask
) -> None:
    with crew(archive) as workers:
        answers = in_order(workers, archive)
        next(answers)
        fake.refuses = WorkerDiffers("Worker node9: it differs in processor.", "Look at it.")
        with pytest.raises(WorkerDiffers, match="node9"):
            list(answers)


def test_an_answer_for_the_file_that_lies_here_counts(archive: list[Task]) -> None:
    answer = look_at(archive[0], settings(), None)
    assert confirmed(archive[0], answer) == answer


def test_an_answer_for_another_file_of_that_name_ends_the_scan(archive: list[Task]) -> None:
    answer = look_at(archive[0], settings(), None)
    Path(archive[0].path).write_bytes(Path(archive[1].path).read_bytes())
    with pytest.raises(ArchiveUnseen, match="another file"):
        confirmed(archive[0], answer)


def test_a_copy_with_another_time_is_the_same_file_and_kept_with_the_time_here(archive: list[Task]) -> None:
    answer = look_at(archive[0], settings(), None)
    elsewhere = replace(answer, identity=replace(answer.identity, mtime_ns=1))
    assert confirmed(archive[0], elsewhere) == answer


def unseen(task: Task) -> Answer:
    return error_answer(task, stat_identity(Path("nowhere")), "path-unusable", "not on the worker")


def test_an_image_that_only_the_worker_cannot_see_is_no_error_of_the_image(archive: list[Task]) -> None:
    with pytest.raises(ArchiveUnseen, match=r"field0000\.png"):
        confirmed(archive[0], unseen(archive[0]))


def test_an_image_that_is_not_here_either_is_told_in_the_words_of_one_process(archive: list[Task]) -> None:
    Path(archive[0].path).unlink()
    assert confirmed(archive[0], unseen(archive[0])) == look_at(archive[0], settings(), None)


def test_without_dask_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "alledge.scanning.dask_client", raising=False)
    with pytest.raises(ClusterExtraMissing, match=r"allscope\[cluster\]"), crew([]):
        pass
