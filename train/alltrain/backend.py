"""Keras, imported once, quietly and repeatably.

TensorFlow writes a dozen lines about its own insides to standard error while it loads, before any
setting can stop it. People who fit a model should see the model's progress and nothing else; when the
import fails, though, they need every word. And the same seed has to give the same weights, which the
backend must be told before it starts.
"""

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Final

from alledge.errors import RuntimeMissing
from alledge.quiet import quiet_stderr

# Logging, and kernels that do not repeat: both off before TensorFlow reads its environment.
_SETTINGS: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_DETERMINISTIC_OPS": "1"}
_PACKAGES: Final = ("allscope", "keras", "tensorflow", "numpy", "opencv-python-headless")


def load_keras() -> ModuleType:
    """The keras module, imported with its backend silent and set to repeatable operations.

    A setting that the user has made in the environment is left as it is.

    Raises:
        RuntimeMissing: Keras or its backend is not installed.
    """
    if "keras" not in sys.modules:
        settle_environment()
        _import_quietly()
    import keras

    module: ModuleType = keras
    return module


def settle_environment() -> None:
    """What the backend reads from the environment when it is loaded; to be called before any import of it."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def _import_quietly() -> None:
    failure: ImportError | None = None
    with quiet_stderr() as said:
        try:
            import keras

            keras.ops.zeros(1)  # the backend says its piece at the first operation
        except ImportError as error:
            failure = error
    if failure is not None:
        raise RuntimeMissing(
            f"Keras cannot be imported ({failure}). {said.text.strip()[-300:]}".strip(),
            "Install the training part: pip install 'allscope[train]'.",
        ) from failure


def package_versions() -> dict[str, str]:
    """Version of every package that decides what a fitted model is, for its card."""
    versions = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed as a package"
    return versions
