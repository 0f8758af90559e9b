"""Run by test_replicas: the same network fitted alone, and by several replicas of one processor.

Devices have to be made before TensorFlow starts, hence a process of its own. Prints one JSON object.
"""

import json
import sys

import numpy as np

from alltrain.backend import load_keras, settle_environment
from alltrain.distribution import ALONE, Distribution

N_REPLICAS = 3
BATCH = 32  # which three cannot share evenly


def main() -> None:
    settle_environment()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * N_REPLICAS)
    from alltrain.replicas import mirror

    replicas = mirror([f"CPU:{index}" for index in range(N_REPLICAS)])
    assert replicas.n_replicas == N_REPLICAS
    assert replicas.share(b"words") == b"words"
    assert replicas.all_same(b"words")
    replicas.wait()
    found = {"alone": fit(ALONE), "together": fit(replicas)}
    sys.stdout.write(json.dumps(found))


def fit(distribution: Distribution) -> dict[str, object]:
    """Losses and weights after two epochs of three batches."""
    keras = load_keras()
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (3 * BATCH, 50, 50, 3), dtype=np.uint8)
    targets = np.eye(2, dtype=np.float32)[rng.integers(0, 2, len(patches))]
    weights = rng.uniform(0.5, 1.5, len(patches)).astype(np.float32)
    shades = rng.uniform(0.5, 1.5, (len(patches), 1)).astype(np.float32)

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 6  # of two epochs

        def __getitem__(self, index: int):
            rows = slice(index % 3 * BATCH, (index % 3 + 1) * BATCH)
            return (patches[rows], shades[rows]), targets[rows], weights[rows]

    losses: list[float] = []
    with distribution.scope():
        model = network(keras)
        model.compile(
            optimizer=keras.optimizers.AdamW(1e-2, weight_decay=1e-3),
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]))
    distribution.fit(model, Batches(), epochs=range(2), n_batches=3, callbacks=[keep])
    flat = np.concatenate([weight.ravel() for weight in model.get_weights()])
    return {
        "losses": losses,
        "weights": flat.tolist(),
        "steps": int(keras.ops.convert_to_numpy(model.optimizer.iterations)),
    }


def network(keras):
    patch, shade = keras.Input((50, 50, 3), dtype="uint8"), keras.Input((1,))
    maps = keras.layers.Rescaling(1 / 255)(patch)
    maps = keras.layers.Conv2D(4, 3, strides=3, activation="relu")(maps)
    features = keras.layers.GlobalMaxPooling2D()(maps)
    return keras.Model([patch, shade], keras.layers.Dense(2)(features * shade))


if __name__ == "__main__":
    main()
