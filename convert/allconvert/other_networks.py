"""What an int8 network is timed against: its own float form, and what a tutorial would have used.

The tutorial's network is MobileNetV2 (M. Sandler et al., CVPR 2018) at 224 x 224 pixels, from
`keras.applications`, with a head of as many labels, quantised in the same way. Its weights are random:
time and memory do not depend on them.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from alledge.durable import make_folder, write_whole
from alledge.quiet import quiet_stderr
from alledge.types import F32
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MOBILENET: Final = "MobileNetV2-224 int8"
MOBILENET_PX: Final = 224
N_RANGES: Final = 16


def float_flatbuffer(model: "keras.Model") -> bytes:
    """A Keras network as a float32 TFLite flatbuffer, batch 1, nothing quantised."""
    return _convert(model, lambda _: None)


def mobilenet_flatbuffer(cache: Path | None = None) -> bytes:
    """MobileNetV2-224 with two labels, full-integer int8, uint8 in and out.

    Made once a version of TensorFlow, in half a minute, and kept in `cache`: by default allscope's folder
    in the user's cache. Raises StorageFailed.
    """
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "allscope"
    kept = folder / f"mobilenetv2-{MOBILENET_PX}-int8-tensorflow-{version('tensorflow')}.tflite"
    if kept.is_file():
        return kept.read_bytes()
    keras = load_keras()
    keras.utils.set_random_seed(0)
    with quiet_stderr():
        network = keras.applications.MobileNetV2(
            input_shape=(MOBILENET_PX, MOBILENET_PX, 3), weights=None, classes=2
        )
    flatbuffer = _convert(network, _quantise)
    make_folder(folder)
    write_whole(kept, flatbuffer)
    return flatbuffer


def _quantise(converter: "tf.lite.TFLiteConverter") -> None:
    import tensorflow as tf

    def ranges() -> Iterator[list[F32]]:
        rng = np.random.default_rng(0)
        for _ in range(N_RANGES):
            yield [rng.uniform(-1, 1, (1, MOBILENET_PX, MOBILENET_PX, 3)).astype(np.float32)]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = ranges
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8


def _convert(model: "keras.Model", settle: Callable[["tf.lite.TFLiteConverter"], None]) -> bytes:
    load_keras()
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="patch")
        model.export(folder, input_signature=[signature], verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        settle(converter)
        flatbuffer: bytes = converter.convert()
    return flatbuffer
