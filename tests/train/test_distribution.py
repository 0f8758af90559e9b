"""Who takes part is read from the environment, one worker writes RUN, and all start from the same state."""

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from alledge.errors import AllscopeError, InputError, PathUnusable
from alltrain import distribution
from alltrain.distribution import ALONE, join, require_same_data, working_folder

TWO = ["127.0.0.1:1", "127.0.0.1:2"]


def tf_config(cluster: dict, kind: str = "worker", index: object = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


class Worker:
    """One of several threads that play workers: the chief's words reach all, and all wait for each other."""

    n_replicas = 2
    n_workers = 2

    def __init__(self, is_chief: bool, said: list[bytes], barrier: threading.Barrier) -> None:
        self.is_chief, self._said, self._barrier = is_chief, said, barrier

    def scope(self):
        return nullcontext()

    def fit(self, *arguments: object, **options: object) -> None: ...

    def share(self, data: bytes) -> bytes:
        if self.is_chief:
            self._said[:] = [data]
        self._barrier.wait(5)
        return self._said[0]

    def all_same(self, data: bytes) -> bool:
        self._said.append(data)
        self._barrier.wait(5)
        return len(set(self._said)) == 1

    def wait(self) -> None:
        self._barrier.wait(5)


def run_two(work: Callable[[Worker], object]) -> list[object]:
    """What the chief and the other worker return or raise, at the same time."""
    said: list[bytes] = []
    barrier = threading.Barrier(2)
    results: list[object] = [None, None]

    def run(index: int) -> None:
        try:
            results[index] = work(Worker(index == 0, said, barrier))
        except (AllscopeError, AssertionError) as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


@pytest.mark.parametrize(
    "environment", [{}, {"TF_CONFIG": ""}, {"TF_CONFIG": "{}"}, tf_config({"worker": TWO[:1]})]
)
def test_a_processor_without_a_cluster_trains_alone(environment: dict[str, str]) -> None:
    joined = join(environment)
    assert (joined.n_workers, joined.n_replicas, joined.is_chief) == (1, 1, True)


def test_without_a_cluster_nobody_waits_for_keras(monkeypatch) -> None:
    monkeypatch.setattr(distribution, "load_keras", lambda: pytest.fail("Keras was loaded"))
    joined = join({})
    assert joined.is_chief
    assert joined.share(b"state") == b"state"


@pytest.mark.parametrize(("backend", "expected"), [("tensorflow", "mirrored"), ("jax", ALONE)])
def test_several_gpus_are_used_together_on_tensorflow(backend: str, expected: object, monkeypatch) -> None:
    keras = distribution.load_keras()
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind=None: ["gpu:0", "gpu:1"])
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    replicas = SimpleNamespace(mirror=lambda: "mirrored")
    monkeypatch.setattr(distribution, "_replicas", lambda: replicas)
    assert join({})._devices == expected


@pytest.mark.parametrize("cluster", [{"worker": TWO}, {"chief": TWO[:1], "worker": TWO[1:]}])
def test_several_workers_join_and_a_person_is_told_whom_they_wait_for(cluster: dict, monkeypatch) -> None:
    monkeypatch.setattr(distribution, "_replicas", lambda: SimpleNamespace(join_workers=lambda: "joined"))
    told: list[str] = []
    assert join(tf_config(cluster), told.append) == "joined"
    assert "127.0.0.1:1, 127.0.0.1:2" in told[0]


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"TF_CONFIG": "{"}, "no JSON"),
        ({"TF_CONFIG": "[1]"}, "no JSON"),
        ({"TF_CONFIG": '{"cluster": {"worker": 3}}'}, "no JSON"),
        (tf_config({"worker": TWO, "ps": ["127.0.0.1:3"]}), "other jobs"),
        (tf_config({"worker": TWO}, index=2), "which of its workers"),
        (tf_config({"worker": TWO}, index="first"), "which of its workers"),
        (tf_config({"worker": TWO}, kind="chief"), "which of its workers"),
        (tf_config({"worker": TWO}) | {"KERAS_BACKEND": "jax"}, "Keras on TensorFlow"),
    ],
)
def test_a_cluster_that_cannot_be_is_told_before_anyone_waits(
    environment: dict[str, str], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        join(environment)


def test_alone_the_folder_is_the_one_asked_for(tmp_path: Path) -> None:
    with working_folder(ALONE, tmp_path / "run") as folder:
        assert folder == tmp_path / "run"
    assert ALONE.share(b"state") == b"state"
    require_same_data(ALONE, "f1d2")


def test_only_the_chief_writes_to_the_folder_and_the_others_leave_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"

    def work(worker: Worker) -> Path:
        with working_folder(worker, out) as folder:
            folder.mkdir(exist_ok=True)
            (folder / "metrics.json").write_text(str(worker.is_chief))
        return folder

    chief, other = run_two(work)
    assert chief == out
    assert (out / "metrics.json").read_text() == "True"
    assert other != out
    assert not other.exists()


def test_all_go_on_with_what_the_chief_had_finished(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for folder in ("folds", "repeats/seed_7", "tensorboard/fold_0"):
        (out / folder).mkdir(parents=True)
    needed = {"config.json", "model.keras", "folds/fold_0.checkpoint", "folds/fold_0.npz", "repeats/seed_7/a"}
    for name in needed | {"patches.npz", "tensorboard/fold_0/events"}:
        (out / name).write_text(name)

    def work(worker: Worker) -> dict[str, str]:
        with working_folder(worker, out) as folder:
            files = [path for path in folder.rglob("*") if path.is_file()]
            return {path.relative_to(folder).as_posix(): path.read_text() for path in files}

    _, other = run_two(work)
    assert other == {name: name for name in needed}


def test_when_the_chief_refuses_the_others_end_as_well(tmp_path: Path) -> None:
    def refuse() -> None:
        raise PathUnusable("run is not empty.", "Give a new folder.")

    def work(worker: Worker) -> None:
        with working_folder(worker, tmp_path / "run", refuse):
            raise AssertionError("nobody may start")

    chief, other = run_two(work)
    assert str(chief) == "run is not empty. Give a new folder."
    assert "chief refused" in str(other)
    assert isinstance(other, PathUnusable)


def test_workers_that_read_other_data_all_stop() -> None:
    chief, other = run_two(lambda worker: require_same_data(worker, "f1d2" if worker.is_chief else "c0de"))
    assert isinstance(chief, InputError)
    assert isinstance(other, InputError)
    assert run_two(lambda worker: require_same_data(worker, "f1d2")) == [None, None]
