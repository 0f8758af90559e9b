"""A convolution that rounds its weights and its output as the int8 kernels do, while it is trained.

Weights: symmetric, 254 steps, one scale a channel. Output: 255 steps over what the batch spans, zero
included, one scale for the tensor. Gradients pass the rounding by (`keras.quantizers`).
"""

import keras
from keras import ops


class AwareConvolution(keras.layers.Conv2D):  # type: ignore[misc]  # Keras ships no types
    """Conv2D under fake quantisation; the same weights as the plain one."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """(N, H, W, C) to the rounded output of the convolution and its activation."""
        outputs = ops.conv(
            inputs,
            _rounded_weights(self.kernel),
            strides=list(self.strides),
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return _rounded(self.activation(outputs))


def _rounded_weights(kernel: keras.KerasTensor) -> keras.KerasTensor:
    reach = ops.stop_gradient(ops.maximum(ops.max(ops.abs(kernel), axis=(0, 1, 2)), 1e-9))
    return keras.quantizers.fake_quant_with_min_max_vars(kernel, -reach, reach, narrow_range=True, axis=-1)


def _rounded(values: keras.KerasTensor) -> keras.KerasTensor:
    low = ops.stop_gradient(ops.minimum(ops.min(values), 0.0))
    high = ops.stop_gradient(ops.maximum(ops.max(values), low + 1e-9))
    return keras.quantizers.fake_quant_with_min_max_vars(values, low, high)
