"""Who trains: one device, several GPUs of a machine, or several machines; the rest need not know.

The batch of the recipe is the batch of all together: each replica takes its share, and the shares are put
together again, so that a run depends on the number of replicas by rounding only. Every worker runs the
same program on the same data and holds the same weights. The first one, the chief, writes RUN; the others
work in a folder of their own that goes when they end, and learn from the chief what is finished already.

This module is Keras only. What needs TensorFlow (tf.distribute) stands in replicas.py, which is imported
when several devices or workers are there to be used.
"""

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from alledge.errors import InputError, PathUnusable, RuntimeMissing
from alledge.quiet import quiet_stderr
from alltrain.backend import load_keras, settle_environment

if TYPE_CHECKING:
    import keras

Array: TypeAlias = npt.NDArray[np.generic]
# What a training step takes: inputs, targets and one weight a patch, all of the whole batch.
Batch: TypeAlias = tuple[tuple[Array, ...], Array, npt.NDArray[np.float32]]

TF_CONFIG: Final = "TF_CONFIG"
_SEE: Final = "See docs/scale.md."
# Of RUN, what every worker has itself, or what nobody reads again.
_NOT_NEEDED: Final = frozenset({"patches.npz", "report.html", "tensorboard"})


class Batches(Protocol):
    """Batches of several epochs, such as a `keras.utils.PyDataset`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Batch: ...


class Distribution(Protocol):
    """Replicas that train one network together."""

    @property
    def n_workers(self) -> int:
        """Processes that take part."""

    @property
    def n_replicas(self) -> int:
        """Devices that take part, over all workers."""

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""

    def scope(self) -> AbstractContextManager[None]:
        """Within it a network that is to be trained is built and compiled."""

    def fit(
        self,
        model: "keras.Model",
        batches: Batches,
        epochs: range,
        n_batches: int,
        callbacks: Sequence["keras.callbacks.Callback"] = (),
    ) -> None:
        """Train as `Model.fit` does, on batches that are the same at every worker.

        epochs: numbers of the epochs to go through. n_batches: of each; `batches` holds those of all of
        them, one epoch after the other. callbacks: called as `Model.fit` calls them.
        """

    def share(self, data: bytes) -> bytes:
        """The chief's data, at every worker."""

    def all_same(self, data: bytes) -> bool:
        """Whether every worker gave the same data; every worker gets the same answer."""

    def wait(self) -> None:
        """Return when every worker has come here."""


class Alone:
    """One process, and what Keras makes of its device."""

    n_workers = 1
    n_replicas = 1
    is_chief = True

    def scope(self) -> AbstractContextManager[None]:
        """Nothing to prepare."""
        return nullcontext()

    def fit(
        self,
        model: "keras.Model",
        batches: Batches,
        epochs: range,
        n_batches: int,
        callbacks: Sequence["keras.callbacks.Callback"] = (),
    ) -> None:
        """`Model.fit` itself."""
        model.fit(
            batches,
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            steps_per_epoch=n_batches,
            callbacks=list(callbacks),
            shuffle=False,
            verbose=0,
        )

    def share(self, data: bytes) -> bytes:
        """The same data."""
        return data

    def all_same(self, data: bytes) -> bool:
        """True: there is nobody else."""
        del data
        return True

    def wait(self) -> None:
        """Nobody to wait for."""


ALONE: Final = Alone()


class OneMachine:
    """The devices of this machine: several GPUs together, else alone.

    Which, is found out when a network is to be trained: until then nobody has to wait for Keras.
    """

    n_workers = 1
    is_chief = True

    @cached_property
    def _devices(self) -> Distribution:
        keras = load_keras()
        if keras.backend.backend() != "tensorflow" or len(keras.distribution.list_devices("gpu")) < 2:
            return ALONE
        mirrored: Distribution = _replicas().mirror()
        return mirrored

    @property
    def n_replicas(self) -> int:
        """GPUs that train together, or 1."""
        return self._devices.n_replicas

    def scope(self) -> AbstractContextManager[None]:
        """Of the devices."""
        return self._devices.scope()

    def fit(
        self,
        model: "keras.Model",
        batches: Batches,
        epochs: range,
        n_batches: int,
        callbacks: Sequence["keras.callbacks.Callback"] = (),
    ) -> None:
        """On the devices."""
        self._devices.fit(model, batches, epochs, n_batches, callbacks)

    def share(self, data: bytes) -> bytes:
        """The same data."""
        return data

    def all_same(self, data: bytes) -> bool:
        """True: there is no other process."""
        del data
        return True

    def wait(self) -> None:
        """Nobody to wait for."""


def join(
    environment: Mapping[str, str] = os.environ, tell: Callable[[str], None] | None = None
) -> Distribution:
    """Take part in what the environment says: workers of TF_CONFIG, else the devices of this machine.

    To be called before anything else touches Keras: workers have to find each other before the first
    operation. Waits until all of them are there; `tell` is told so in a sentence.

    Raises:
        InputError: TF_CONFIG cannot be read, names this process wrongly, or asks for what cannot be done.
        RuntimeMissing: TensorFlow is not installed.
    """
    workers = _workers_of(environment.get(TF_CONFIG, ""))
    if len(workers) > 1:
        if environment.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
            raise InputError(
                f"Several workers ({TF_CONFIG}) need Keras on TensorFlow.", "Unset KERAS_BACKEND."
            )
        if tell is not None:
            tell(f"Waiting until all {len(workers)} workers are there: {', '.join(workers)}.")
        joined: Distribution = _replicas().join_workers()
        return joined
    return OneMachine()


def _replicas() -> ModuleType:
    """The part that needs TensorFlow, which is loaded with our settings and without its chatter."""
    settle_environment()
    with quiet_stderr():
        try:
            return import_module("alltrain.replicas")
        except ImportError as error:
            raise RuntimeMissing(
                f"TensorFlow cannot be imported ({error}).", "Install it: pip install 'allscope[train]'."
            ) from error


def _workers_of(text: str) -> list[str]:
    """Addresses of the workers that TF_CONFIG names, the chief first; none where it names no cluster."""
    if not text.strip():
        return []
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        jobs = {name: list(addresses) for name, addresses in cluster.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{TF_CONFIG} is no JSON of a cluster and a task.", _SEE) from error
    if set(jobs) - {"chief", "worker"}:
        raise InputError(f"{TF_CONFIG} names other jobs than chief and worker ({', '.join(jobs)}).", _SEE)
    workers = [*jobs.get("chief", []), *jobs.get("worker", [])]
    own = jobs.get(str(task.get("type")), []) if isinstance(task, dict) else []
    index = task.get("index") if isinstance(task, dict) else None
    if workers and not (isinstance(index, int) and 0 <= index < len(own)):
        raise InputError(f"{TF_CONFIG} does not say which of its workers this process is.", _SEE)
    return workers


# --- the folder of a run ---


@contextmanager
def working_folder(
    distribution: Distribution, out: Path, refuse: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """The folder that this worker writes a run to: `out` for the chief, a passing one for the others.

    The others start with what the chief's folder holds of finished and half-finished models, so that
    `--resume` goes on at the same place everywhere. When the block ends well all wait for each other.

    refuse: what the chief checks first; when it raises, no worker starts.

    Raises:
        whatever `refuse` raises, at the chief; PathUnusable at the others.
    """
    if distribution.n_workers == 1:
        refuse()
        yield out
        return
    if distribution.is_chief:
        _share_state(distribution, out, refuse)
        yield out
    else:
        state = distribution.share(b"")
        if not state:
            raise PathUnusable("The chief refused to start.", "Read what it says.")
        with tempfile.TemporaryDirectory(prefix="allscope-worker-") as passing:
            _unpack(state, Path(passing))
            yield Path(passing)
    distribution.wait()


def _share_state(distribution: Distribution, out: Path, refuse: Callable[[], None]) -> None:
    try:
        refuse()
    except BaseException:
        distribution.share(b"")
        raise
    distribution.share(_pack(out))


def share_numbers(distribution: Distribution, numbers: Sequence[float]) -> tuple[float, ...]:
    """The chief's numbers, at every worker."""
    shared = distribution.share(np.asarray(numbers, dtype="<f8").tobytes())
    return tuple(float(number) for number in np.frombuffer(shared, dtype="<f8"))


def require_same_data(distribution: Distribution, data_fingerprint: str) -> None:
    """Stop all workers when they do not see the same patches and labels.

    Raises:
        InputError: some worker read other data.
    """
    if not distribution.all_same(data_fingerprint.encode()):
        raise InputError(
            f"The workers read different data (here {data_fingerprint[:8]}).",
            "Give every worker the same DATA and the same version of allscope.",
        )


def _pack(out: Path) -> bytes:
    """What an interrupted run needs to go on, whatever part of it was cut short; never empty."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in sorted(path for path in out.rglob("*") if path.is_file()):
            name = file.relative_to(out)
            if name.parts[0] not in _NOT_NEEDED:
                archive.write(file, name)
    return buffer.getvalue()


def _unpack(state: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        archive.extractall(folder)
