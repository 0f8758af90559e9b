"""What training with alltrain costs beside a bare `keras.Model.fit`: `python bench/training_cost.py`.

Both fit the same network on the same arrays with the same optimiser, batches and epochs, and both
validate after each epoch. Ours also varies every patch, averages weights and writes a checkpoint each
epoch. They take turns, so that a machine whose speed drifts is fair to both; compiling is left out. A
ratio of the two holds from machine to machine where seconds do not. CPU seconds are those of all
threads of this process: on a machine that others use too they tell more than seconds on the clock.

    python bench/training_cost.py [--patches 20000] [--epochs 2] [--repeats 3] [--model smearnet]
    python bench/training_cost.py --cross-validation 5000      whole `alltrain fit`, five folds

Patches are those of a few rendered fields, repeated; what they show does not matter here.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from alledge.types import F32, I64, U8
from alltrain.backend import load_keras
from alltrain.checkpoint import Checkpoint
from alltrain.datasets.dataset import PatchSet
from alltrain.datasets.loading import load_patches
from alltrain.fit import fit
from alltrain.models import MODELS, count_macs
from alltrain.phantom_study import write_study
from alltrain.plan import Settings
from alltrain.rehearsal import N_FIELDS
from alltrain.training import Recipe, Trainer

N_RENDERED_FIELDS = 6
N_GROUPS = 25
HELD_OUT = 5  # one patch in five validates


def rendered_study(n_patches: int) -> PatchSet:
    """A study of `n_patches` patches, labels in turn, as if of 25 slides."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        write_study(study, N_RENDERED_FIELDS, 7, _untold)
        found = load_patches(study, allow_no_groups=False)
    which = np.arange(n_patches) % len(found)
    return PatchSet(
        patches=found.patches[which],
        labels=found.labels[which],
        label_names=found.label_names,
        positive_labels=found.positive_labels,
        groups=tuple(f"slide{index % N_GROUPS}" for index in range(n_patches)),
        patch_ids=tuple(f"patch{index}" for index in range(n_patches)),
        sources=tuple(f"field{index % (10 * N_GROUPS)}" for index in range(n_patches)),
        layout="rendered",
        grouped=True,
    )


def _untold(done: int, total: int) -> None:
    del done, total


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and CPU seconds of all threads."""
    clock_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock_s, time.process_time() - cpu_s


def bare_fit(
    patches: U8, labels: I64, held: np.typing.NDArray[np.bool_], recipe: Recipe
) -> Callable[[int], object]:
    """The baseline, compiled: what anybody would write, given uint8 patches and the network."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    one_hot: F32 = np.eye(2, dtype=np.float32)[labels]
    shown, validation = (patches[~held], one_hot[~held]), (patches[held], one_hot[held])
    model = MODELS[recipe.model](2)
    model.compile(
        optimizer=keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        jit_compile=False,  # the faster choice on a processor
    )

    def run(n: int) -> object:
        few = slice(0, n)
        return model.fit(
            shown[0][few],
            shown[1][few],
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            validation_data=(validation[0][few], validation[1][few]),
            verbose=0,
        )

    run(4 * recipe.batch_size)
    return run


def our_fit(
    patches: U8, labels: I64, held: np.typing.NDArray[np.bool_], recipe: Recipe, folder: Path
) -> Callable[[int], object]:
    """The Trainer, compiled."""
    trainer = Trainer(2, recipe)

    def run(n: int) -> object:
        checkpoint = Checkpoint(folder / "fit.checkpoint")
        checkpoint.remove()
        few = slice(0, n)
        return trainer.fit(patches[few], labels[few], held[few], recipe, checkpoint=checkpoint)

    run(4 * recipe.batch_size)
    return run


def compare(n_patches: int, epochs: int, repeats: int, model: str) -> None:
    """Print both, and their ratio."""
    study = rendered_study(n_patches)
    held = np.arange(n_patches) % HELD_OUT == 0
    recipe = replace(Recipe(model=model), epochs=epochs, patience=epochs, least_patches_an_epoch=1)
    with tempfile.TemporaryDirectory() as folder:
        ours = our_fit(study.patches, study.labels, held, recipe, Path(folder))
        bare = bare_fit(study.patches, study.labels, held, recipe)
        turns = [(seconds(lambda: ours(n_patches)), seconds(lambda: bare(n_patches))) for _ in range(repeats)]
    times = np.array(turns)  # (repeats, ours or bare, clock or CPU)
    macs = count_macs(MODELS[model](2))
    print(
        f"{model}, {macs / 1e6:.1f} million multiply-accumulates, {n_patches} patches, {os.cpu_count()} cores"
    )
    print(
        f"batches of {recipe.batch_size}, {epochs} epochs, {repeats} turns; one patch in {HELD_OUT} validates"
    )
    for index, name in enumerate(("alltrain", "bare keras.Model.fit")):
        clock_s, cpu_s = np.median(times[:, index], axis=0)
        print(f"{name:22s} {clock_s:7.2f} s   {cpu_s:7.2f} CPU s   (medians)")
    ratios = times[:, 0] / times[:, 1]
    clock, cpu = np.median(ratios, axis=0)
    spread = ", ".join(f"{ratio:.2f}" for ratio in ratios[:, 0])
    print(f"{'ratio':22s} {clock:7.2f}     {cpu:7.2f}         (medians of turns; clock {spread})")


def cross_validate(n_patches: int, model: str) -> None:
    """Print how long a whole fit of five folds and the model to ship takes."""
    study = rendered_study(n_patches)
    settings = Settings(Recipe(model=model, rehearsal_fields=N_FIELDS), n_folds=5)
    with tempfile.TemporaryDirectory() as folder:
        clock_s, cpu_s = seconds(lambda: fit(study, Path(folder) / "run", settings))
    print(
        f"alltrain fit, {model}, {n_patches} patches, 5 folds and the model to ship, {os.cpu_count()} cores:"
    )
    print(f"{clock_s / 60:.1f} min on the clock, {cpu_s / 60:.1f} CPU min")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", choices=sorted(MODELS), default="smearnet")
    parser.add_argument("--cross-validation", type=int, metavar="PATCHES", help="time a whole fit instead")
    given = parser.parse_args()
    load_keras()
    if given.cross_validation:
        cross_validate(given.cross_validation, given.model)
    else:
        compare(given.patches, given.epochs, given.repeats, given.model)


if __name__ == "__main__":
    main()
