"""Losses on TensorBoard while networks are fitted: one line a model, one point an epoch.

For whoever wants to watch a long fit or to lay several runs over each other. The report of a finished run
needs none of it, so the package is asked for only when somebody says `--tensorboard`, and before any
training. It is written through TensorBoard's own writer, which works on every backend of Keras.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Final

from alledge.durable import make_folder
from alledge.errors import RuntimeMissing, StorageFailed
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras

TENSORBOARD: Final = "tensorboard"
# Names that Keras gives them, and names that people read.
_SERIES: Final = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}
_NEXT_STEP: Final = "Install it: pip install 'allscope[tensorboard]', or leave --tensorboard out."


def require_tensorboard() -> None:
    """Stop before any training when points could not be written.

    Raises:
        RuntimeMissing: the package tensorboard is not installed, or cannot be imported.
    """
    _summary()


class Scalars:
    """Points of one model, in RUN/tensorboard/NAME.

    A model that is taken up again goes on in a file of its own, which TensorBoard joins to the earlier;
    an epoch that was repeated then stands there twice, with the same values.

    Used as a context manager: what was written is on the medium when the block is left.
    """

    def __init__(self, out: Path, name: str) -> None:
        """out: the RUN folder. name: of the model, such as "fold_0" or "shipped".

        Raises:
            RuntimeMissing: the package is not installed.
            PathUnusable: a file is in the way.
            StorageFailed: the folder cannot be written.
        """
        summary = _summary()
        self._folder = out / TENSORBOARD / name
        make_folder(self._folder)
        with _translated(self._folder):
            self._writer = summary.Writer(str(self._folder))

    def __enter__(self) -> "Scalars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _translated(self._folder):
            self._writer.close()

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """Points of one epoch, counted from 1, by name such as "validation loss". Raises StorageFailed."""
        with _translated(self._folder):
            for name, value in values.items():
                self._writer.add_scalar(name, value, epoch)
            self._writer.flush()  # watched while it runs, and kept when it is killed


def epoch_points(scalars: Scalars) -> "keras.callbacks.Callback":
    """A callback for `Trainer.fit` that writes the losses of every epoch as they come."""

    def write(epoch: int, logs: Mapping[str, float]) -> None:
        scalars.write(epoch + 1, {_SERIES[name]: logs[name] for name in _SERIES if name in logs})

    return load_keras().callbacks.LambdaCallback(on_epoch_end=write)


def _summary() -> ModuleType:
    load_keras()  # TensorBoard loads TensorFlow where it finds it; so it comes with our settings, and quietly
    try:
        return import_module("tensorboard.summary")
    except ImportError as error:
        raise RuntimeMissing(f"TensorBoard cannot be imported ({error}).", _NEXT_STEP) from error


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Failures to write as StorageFailed; TensorFlow, where TensorBoard writes through it, has its own."""
    own = import_module("tensorboard.compat").tf.errors.OpError
    try:
        yield
    except (OSError, own) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise StorageFailed(
            f"{folder} cannot be written ({why}).", "Free space there, or leave --tensorboard out."
        ) from error
