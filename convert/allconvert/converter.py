"""TensorFlow's converter, behind one door: a Keras network in, a TFLite file out.

The float file is what every rung of the ladder quantises (integers.py). The converter's own post-training
quantisation (B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018) is marked as deprecated in favour of litert-quantizer; it
stays as the cross-check (bench/converters.py). The batch is fixed at one, as on the device, so that no
shape arithmetic is left in the graph.
"""

import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from allconvert.rewriting import Rewritten, rewrite_for_int8
from alledge.errors import FidelityRefused, RunUnusable, StorageFailed
from alledge.quiet import quiet_stderr
from alledge.types import F32, U8
from alltrain.backend import load_keras

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def export_float(rewritten: Rewritten) -> bytes:
    """The network as a float32 TFLite file that takes one patch, (1, 50, 50, 3) float32.

    Raises:
        FidelityRefused: TFLite has no form of an operation of the network.
        RunUnusable: the Keras backend is not TensorFlow.
        StorageFailed: the folder for temporary files is full.
    """
    with _quiet_tensorflow(), tempfile.TemporaryDirectory() as folder:
        import tensorflow as tf

        _export(rewritten.model, folder, rewritten.model.input_shape[1:])
        return _converted(tf.lite.TFLiteConverter.from_saved_model(folder))


def convert_to_int8(model: "keras.Model", representative: U8) -> bytes:
    """Quantise a network by TensorFlow's converter alone: uint8 patch in, int8 logits out.

    Args:
        model: takes (N, 50, 50, 3) float patches of 0 to 255, gives (N, L) logits.
        representative: (N, 50, 50, 3) uint8 RGB training patches; they set every range.

    Returns:
        The TFLite flatbuffer.

    Raises:
        FidelityRefused: an operation of the network has no int8 form.
        RunUnusable: the Keras backend is not TensorFlow.
        StorageFailed: the folder for temporary files is full.
    """
    with _quiet_tensorflow(), tempfile.TemporaryDirectory() as folder:
        rewritten = rewrite_for_int8(model)
        _export(rewritten.model, folder, representative.shape[1:])
        return _quantised(folder, rewritten.inputs(_with_full_input_range(representative)))


def _with_full_input_range(patches: U8) -> U8:
    """One black and one white corner pixel in the first patch: the input's scale is then exactly 1."""
    widened = patches.copy()
    widened[0, 0, 0] = 0
    widened[0, -1, -1] = 255
    return widened


@contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """TensorFlow as the backend, without its chatter. Raises RunUnusable on any other backend."""
    keras = load_keras()
    if keras.backend.backend() != "tensorflow":
        raise RunUnusable(
            f"The TFLite converter needs the TensorFlow backend, Keras runs on {keras.backend.backend()}.",
            "Unset KERAS_BACKEND; a model fitted on another backend loads as it is.",
        )
    for chatty in ("absl", "tensorflow"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _export(model: "keras.Model", folder: str, patch_shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    signature = tf.TensorSpec((1, *patch_shape), tf.float32, name="patch")
    try:
        model.export(folder, input_signature=[signature], verbose=False)
    except (OSError, tf.errors.OpError) as error:
        raise StorageFailed(
            f"The network could not be written to the temporary folder {tempfile.gettempdir()}.",
            "Make room there, or point TMPDIR elsewhere.",
        ) from error


def _quantised(folder: str, representative: F32) -> bytes:
    import tensorflow as tf

    def representative_dataset() -> Iterator[list[F32]]:
        for patch in representative:
            yield [patch[None]]

    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.int8
    # Dense layers that could not be rewritten: tflite-runtime 2.14 reads the first of their scales only,
    # and answers wrongly without a word where there is one a channel.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    return _converted(converter)


def _converted(converter: "tf.lite.TFLiteConverterV2") -> bytes:
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        flatbuffer: bytes = converter.convert()
    except (ConverterError, RuntimeError, ValueError) as error:
        raise FidelityRefused(
            f"The network cannot be made int8: {_reason(str(error))}.",
            "Build it from operations with an int8 form: convolution, ReLU, pooling, dense.",
        ) from error
    return flatbuffer


def _reason(message: str) -> str:
    """The operation that the converter stumbled over, or its first sentence."""
    operation = re.search(r"'tf\.(\w+)' op", message)
    if operation:
        return f"TFLite has no operation {operation[1]}"
    return (
        message.strip().splitlines()[0][:160].rstrip(".")
        if message.strip()
        else "the converter gives no reason"
    )
