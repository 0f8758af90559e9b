"""One step of training as a compiled graph: patches in, varied, through the network, weights updated.

Keras takes seconds to compile it, and it is the same for every fold. So the graph is made once, and each
fit starts it anew with weights of its own, an empty optimiser and its own schedule, which are variables
of the graph. The network inside is the plain one, which is what gets saved.
"""

from collections.abc import Sequence
from math import pi
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from alledge.patches import PATCH_PX
from alltrain.augmentation import N_PARAMETERS, Augmentation, n_blurred
from alltrain.checkpoint import Arrays
from alltrain.precision import FLOAT32, optimiser_at, twin_at
from alltrain.varying import Vary

STEPS_AT_ONCE: Final = 8
"""Steps that run before Python is asked again. An epoch is a multiple of it."""
_WARM_UP_SHARE: Final = 0.05
_LAST_RATE: Final = 0.05  # of the peak


class TrainingStep:
    """A network and the graph that fits it.

    network: the plain network, or its twin at a precision (precision.py); float32 logits.
    model: takes what `batches.Batches` gives.
    """

    def __init__(
        self,
        network: keras.Model,
        batch_size: int,
        augmentation: Augmentation,
        *,
        weight_decay: float,
        label_smoothing: float,
        precision: str = FLOAT32,
    ) -> None:
        self.network = network = twin_at(network, precision)
        patches = keras.Input((PATCH_PX, PATCH_PX, 3), dtype="uint8", name="patches")
        parameters = keras.Input((N_PARAMETERS,), name="parameters")
        varied = Vary(n_blurred(batch_size, augmentation))([patches, parameters])
        self.model = keras.Model([patches, parameters], network(varied), name="training")
        self._adam = keras.optimizers.AdamW(self._rate, weight_decay=weight_decay)
        self._optimiser = optimiser_at(self._adam, precision)
        self._optimiser.build(self.model.trainable_variables)
        # Variables of the optimiser, so that they travel with its state on every backend.
        self._peak = self._adam.add_variable((), name="peak")
        self._n_steps = self._adam.add_variable((), name="n_steps")
        self._empty = tuple(ops.convert_to_numpy(variable).copy() for variable in self._optimiser.variables)
        # jit_compile stays off: on two cores XLA makes an epoch twice as slow and takes seconds to compile.
        self.model.compile(
            optimizer=self._optimiser,
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
            jit_compile=False,
            steps_per_execution=STEPS_AT_ONCE,
        )

    def start(self, weights: Sequence[npt.NDArray[np.generic]], peak: float, n_steps: int) -> None:
        """Begin a fit of `n_steps` steps with these weights of the network and an empty optimiser."""
        self.network.set_weights(weights)
        for variable, empty in zip(self._optimiser.variables, self._empty, strict=True):
            variable.assign(empty)
        self._peak.assign(peak)
        self._n_steps.assign(n_steps)

    def variables(self) -> Arrays:
        """Copies of everything that a step changes, and of its schedule."""
        return tuple(ops.convert_to_numpy(variable).copy() for variable in self._all_variables())

    def restore(self, variables: Arrays) -> None:
        """Go on from variables that `variables` gave. Raises ValueError when they are of another graph."""
        for variable, value in zip(self._all_variables(), variables, strict=True):
            variable.assign(value)

    def _all_variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self._optimiser.variables]

    def _rate(self) -> keras.KerasTensor:
        step = ops.cast(self._adam.iterations, "float32")
        return learning_rate_at(step, self._n_steps, self._peak)


def learning_rate_at(
    step: keras.KerasTensor | float, n_steps: keras.KerasTensor | float, peak: keras.KerasTensor | float
) -> keras.KerasTensor:
    """Linear warm-up over the first steps, then half a cosine down to a small share of the peak.

    Source: I. Loshchilov, F. Hutter, SGDR, ICLR 2017; without restarts.
    """
    n_warm_up = ops.maximum(1.0, ops.round(_WARM_UP_SHARE * ops.cast(n_steps, "float32")))
    progress = (step - n_warm_up) / ops.maximum(1.0, n_steps - n_warm_up)
    falling = _LAST_RATE + (1 - _LAST_RATE) * (1 + ops.cos(pi * progress)) / 2
    return peak * ops.where(step < n_warm_up, (step + 1) / n_warm_up, falling)
