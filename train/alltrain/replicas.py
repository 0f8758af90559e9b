"""Several GPUs or several workers as one: tf.distribute, and nothing else of TensorFlow.

`Model.fit` of Keras 3 stops with an error under MultiWorkerMirroredStrategy (keras-team/keras issue
20585), and cuts batches of a generator as it likes under MirroredStrategy. So the loop stands here: every
worker draws the same batch, each replica takes its slice of it, Keras' own `train_step` runs on all
replicas at once, and the optimiser sums their gradients. What they learn is what one device would learn
from the whole batch, but for the order in which numbers are added up.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from alledge.errors import RefusedError
from alltrain.backend import load_keras
from alltrain.distribution import Batch, Batches

if TYPE_CHECKING:
    import keras

_LENGTH_BYTES: Final = 8
Logs = Mapping[str, "tf.Tensor"]
Step = Callable[[object], Logs]


def join_workers() -> "Replicas":
    """All workers that TF_CONFIG names; waits until they are there. The first thing to ask of TensorFlow."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    resolver = strategy.cluster_resolver
    n_workers = sum(len(addresses) for addresses in resolver.cluster_spec().as_dict().values())
    has_chief = "chief" in resolver.cluster_spec().jobs
    is_chief = resolver.task_type == "chief" if has_chief else resolver.task_id == 0
    load_keras()
    return Replicas(strategy, n_workers, is_chief)


def mirror(devices: Sequence[str] | None = None) -> "Replicas":
    """All GPUs of this machine, or the devices named."""
    return Replicas(tf.distribute.MirroredStrategy(devices), 1, True)


class Replicas:
    """A `distribution.Distribution` over the devices of a strategy."""

    def __init__(self, strategy: "tf.distribute.Strategy", n_workers: int, is_chief: bool) -> None:
        self._strategy = strategy
        self.n_workers = n_workers
        self.n_replicas = int(strategy.num_replicas_in_sync)
        self.is_chief = is_chief
        self._compiled: tuple[keras.Model, Step] | None = None

    def scope(self) -> AbstractContextManager[None]:
        """Variables made within it live on every replica."""
        scope: AbstractContextManager[None] = self._strategy.scope()
        return scope

    def fit(
        self,
        model: "keras.Model",
        batches: Batches,
        epochs: range,
        n_batches: int,
        callbacks: Sequence["keras.callbacks.Callback"] = (),
    ) -> None:
        """As `Model.fit`, but for the logs of a batch, which stay on the devices until the epoch ends."""
        step = self._step_of(model)
        told = load_keras().callbacks.CallbackList(list(callbacks), model=model, epochs=epochs.stop)
        model.stop_training = False
        told.on_train_begin()
        for number, epoch in enumerate(epochs):
            model.reset_metrics()
            told.on_epoch_begin(epoch)
            logs: Logs = {}
            with _translated():
                for index in range(n_batches):
                    told.on_train_batch_begin(index)
                    logs = step(self._shares(batches[number * n_batches + index]))
                    told.on_train_batch_end(index)
                means = {name: float(value) for name, value in logs.items()}
            told.on_epoch_end(epoch, means)
            if model.stop_training:
                break
        told.on_train_end()

    def share(self, data: bytes) -> bytes:
        """The chief's data, at every worker."""
        if self.n_workers == 1:
            return data
        length = self._from_chief(len(data).to_bytes(_LENGTH_BYTES, "little"), _LENGTH_BYTES)
        return self._from_chief(data, int.from_bytes(length, "little"))

    def all_same(self, data: bytes) -> bool:
        """Whether every worker gave the same data."""
        own = _as_numbers(hashlib.sha256(data).digest())
        agrees = np.array_equal(self._sum(own), own * self.n_replicas)
        return bool(self._sum(np.array([agrees], dtype=np.float32))[0] == self.n_replicas)

    def wait(self) -> None:
        """Return when every worker has come here."""
        self._sum(np.ones(1, dtype=np.float32))

    def _from_chief(self, data: bytes, length: int) -> bytes:
        own = _as_numbers(data) if self.is_chief else np.zeros(length, dtype=np.float32)
        # Replicas beside the chief's first one add nothing.
        total = self._sum(own, only_first=True)
        return total.astype(np.uint8).tobytes()

    def _sum(self, own: npt.NDArray[np.float32], only_first: bool = False) -> npt.NDArray[np.float32]:
        """Sum over all replicas of what their workers give; exact for small whole numbers."""
        n_local = self.n_replicas // self.n_workers

        def give(context: "tf.distribute.ValueContext") -> "tf.Tensor":
            silent = only_first and context.replica_id_in_sync_group % n_local != 0
            return tf.zeros_like(own) if silent else tf.constant(own)

        with _translated():
            values = self._strategy.experimental_distribute_values_from_function(give)
            total: npt.NDArray[np.float32] = self._strategy.reduce("SUM", values, axis=None).numpy()
        return total

    def _step_of(self, model: "keras.Model") -> Step:
        """The training step of this network, compiled once."""
        if self._compiled is None or self._compiled[0] is not model:
            self._compiled = (model, _compiled_step(self._strategy, model))
        return self._compiled[1]

    def _shares(self, batch: Batch) -> object:
        """The batch, cut so that each replica has as many patches; what fills the last one weighs nothing."""
        inputs, targets, weights = batch
        n, n_filling = len(targets), -len(targets) % self.n_replicas
        # Replicas average over their patches, the filling among them; the weights make up for it.
        weights = np.pad(weights * np.float32((n + n_filling) / n), (0, n_filling))
        filled = [_filled(array, n_filling) for array in (*inputs, targets)]
        *cut_inputs, cut_targets, cut_weights = map(self._cut, (*filled, weights))
        return tuple(cut_inputs), cut_targets, cut_weights

    def _cut(self, array: npt.NDArray[np.generic]) -> object:
        share = len(array) // self.n_replicas

        def give(context: "tf.distribute.ValueContext") -> "tf.Tensor":
            start = context.replica_id_in_sync_group * share
            return tf.constant(array[start : start + share])

        return self._strategy.experimental_distribute_values_from_function(give)


def _compiled_step(strategy: "tf.distribute.Strategy", model: "keras.Model") -> Step:
    def step(shares: object) -> dict[str, "tf.Tensor"]:
        logs = strategy.run(model.train_step, args=(shares,))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in logs.items()}

    compiled: Step = tf.function(step, reduce_retracing=True)
    return compiled


def _filled(array: npt.NDArray[np.generic], n_filling: int) -> npt.NDArray[np.generic]:
    """The array with its first rows once more at its end: filling that any network can look at."""
    return np.concatenate([array, np.resize(array, (n_filling, *array.shape[1:]))]) if n_filling else array


def _as_numbers(data: bytes) -> npt.NDArray[np.float32]:
    """Bytes as numbers that every device can add up exactly."""
    return np.frombuffer(data, dtype=np.uint8).astype(np.float32)


@contextmanager
def _translated() -> Iterator[None]:
    """A worker that is gone, told in a line instead of a traceback."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise RefusedError(
            "Another worker stopped, and no one can go on without it.",
            "Read what it said, then start all workers again with --resume.",
        ) from error
