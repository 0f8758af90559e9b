"""What each part of the default recipe is worth: `python bench/ablation.py --data FOLDER [--quick]`.

Fits the full recipe, and the recipe with one part changed, on the same folds, and prints Markdown tables:
AUROC and balanced accuracy of cells of held-out groups, each with its 95 % interval. Two further tables
judge across datasets, without fine-tuning: networks that saw rendered cells only on real ones, and a
network of ALL-IDB1 on other laboratories' cells.

Sets are folders of FOLDER: all-idb1, all-idb2, taleqani, pbc. `--keep FILE` holds finished rows as JSON
lines, so that a run that was interrupted goes on.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alledge.calls import probabilities
from alledge.types import F32, F64, I64, U8
from alltrain.augmentation import Augmentation
from alltrain.calibration import Calibration, calibrate
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.datasets.loading import load_patches
from alltrain.folds import split_validation
from alltrain.intervals import wilson_interval
from alltrain.judging import blank_card, card_with, judge_out_of_fold, positive_indices
from alltrain.metrics import Figure, score
from alltrain.models import MODELS
from alltrain.plan import Settings, plan_splits
from alltrain.regions import find_regions
from alltrain.rehearsal import N_FIELDS, Rehearsal, can_rehearse, render_rehearsal
from alltrain.training import Recipe, Trainer, predict_logits
from alltrain.variety import MANY_GROUPS, n_groups_of, suited

if TYPE_CHECKING:
    import keras

FIVE_CONVOLUTIONS = "smearnet of five convolutions"
FINDINGS = ("all-idb1", "all-idb2")
KINDS = ("taleqani", "pbc")
WHITE_CELLS = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
FULL = "full recipe"
FOR_FEW = Augmentation()
FOR_MANY = suited(Recipe(), MANY_GROUPS).augmentation
CUT_OUT = ", cut out on black"
ONLY_RENDERED = float("inf")  # the worth of a rehearsal that leaves nothing to the real cells


@dataclass(frozen=True)
class Row:
    """The recipe with one part changed, and on which sets that says anything."""

    name: str
    change: dict[str, object] = field(default_factory=dict)
    sets: tuple[str, ...] = FINDINGS + KINDS


ROWS = (
    Row(FULL),
    Row("fitted weights kept, not averaged with the rehearsed", {"rehearsal_worth": 0.0}, FINDINGS),
    Row("no rehearsal", {"rehearsal_fields": 0}, FINDINGS),
    Row("no running mean of weights", {"averaging": 0.0}),
    Row("five convolutions instead of seven", {"model": FIVE_CONVOLUTIONS}),
    Row("stain varied as for few slides", {"augmentation": FOR_FEW}, KINDS),
    Row(
        "stain varied and patches shown as for many slides",
        {"augmentation": FOR_MANY, "least_patches_an_epoch": 2048},
        FINDINGS,
    ),
    Row(
        "the same, fitted weights kept",
        {"augmentation": FOR_MANY, "least_patches_an_epoch": 2048, "rehearsal_worth": 0.0},
        FINDINGS,
    ),
    Row(
        "the same, no rehearsal",
        {"augmentation": FOR_MANY, "least_patches_an_epoch": 2048, "rehearsal_fields": 0},
        FINDINGS,
    ),
    Row("stain not varied", {"augmentation": Augmentation(stain=0.0, tint=0.0, brightness=0.0)}),
    Row("a third of the rendered fields", {"rehearsal_fields": N_FIELDS // 3}, FINDINGS),
    Row("a quarter of a batch rendered instead of half", {"rehearsal_share": 0.25}, FINDINGS),
    Row("at least 512 patches an epoch instead of 2,048", {"least_patches_an_epoch": 512}, KINDS),
    Row("focus not varied", {"augmentation": Augmentation(blurred_share=0.0)}),
    Row("the seed network, same recipe without rehearsal", {"model": "seed", "rehearsal_fields": 0}),
)


@dataclass(frozen=True)
class Bench:
    """What is measured on. n_folds: asked for. n_at_most: patches of a set without known groups."""

    data: Path
    recipe: Recipe
    n_folds: int
    n_at_most: int

    def patches_of(self, name: str) -> PatchSet:
        """A set, read once; of a large one without groups, patches chosen at random."""
        return _read(self.data / name, self.n_at_most)

    def recipe_of(self, row: Row, name: str) -> Recipe:
        """What `alltrain fit` would do with this set, and the change of the row."""
        recipe = suited(self.recipe, n_groups_of(self.patches_of(name)))
        return replace(recipe, **row.change)  # type: ignore[arg-type]  # a row names fields of Recipe

    def trainer(self, patch_set: PatchSet, recipe: Recipe) -> Trainer:
        """A trainer for this set, rehearsed where `alltrain fit` would rehearse."""
        n_labels, n_fields = len(patch_set.label_names), recipe.rehearsal_fields
        if n_fields and can_rehearse(patch_set):
            return _rehearsed_trainer(n_labels, recipe, _rendered(self.data, n_fields))
        return Trainer(n_labels, recipe)


@cache
def _read(folder: Path, n_at_most: int) -> PatchSet:
    found = load_patches(folder, allow_no_groups=True)
    if found.grouped or len(found) <= n_at_most:
        return found
    return _part(found, np.sort(np.random.default_rng(0).permutation(len(found))[:n_at_most]))


def _part(patch_set: PatchSet, chosen: I64) -> PatchSet:
    def of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(names[index] for index in chosen)

    return replace(
        patch_set,
        patches=patch_set.patches[chosen],
        labels=patch_set.labels[chosen],
        morphology=patch_set.morphology[chosen],
        groups=of(patch_set.groups),
        patch_ids=of(patch_set.patch_ids),
        sources=of(patch_set.sources),
    )


@cache
def _rendered(data: Path, n_fields: int) -> Rehearsal:
    """Blasts are the second label in every set that is rehearsed here, so one rendering serves all."""
    return render_rehearsal(_read(data / FINDINGS[0], 0), n_fields, _untold)


def _untold(done: int, total: int) -> None:
    """Progress of rendering, which nobody watches."""
    del done, total


_last_trainer: list[tuple[object, Trainer]] = []


def _rehearsed_trainer(n_labels: int, recipe: Recipe, rehearsal: Rehearsal) -> Trainer:
    """The trainer of the last call when only what comes after the rehearsal differs."""
    later = {"epochs": 0, "rehearsal_worth": 0.0, "rehearsal_share": 0.0, "rehearsed_patches_an_epoch": 0}
    key = (n_labels, replace(recipe, **later))  # type: ignore[arg-type]  # names fields of Recipe
    if not _last_trainer or _last_trainer[0][0] != key:
        _last_trainer[:] = [(key, Trainer(n_labels, recipe, rehearsal))]
    return _last_trainer[0][1]


# --- within a set: folds ---


def figures_of(bench: Bench, name: str, recipe: Recipe) -> tuple[Figure, Figure]:
    """AUROC (mean over labels where none means a finding) and balanced accuracy, out of fold."""
    patch_set = bench.patches_of(name)
    splits = plan_splits(patch_set, Settings(recipe, bench.n_folds)).splits
    trainer = bench.trainer(patch_set, recipe)
    blank = blank_card(patch_set, "ablation", fingerprint(patch_set), ())
    all_logits, cards = [], []
    for fold in range(splits.n_folds):
        takes_part, validates = ~splits.has_role("test", fold), splits.has_role("validation", fold)
        fitted = trainer.fit(
            patch_set.patches[takes_part],
            patch_set.labels[takes_part],
            validates[takes_part],
            replace(recipe, seed=recipe.seed + 1 + fold),
        )
        logits = predict_logits(fitted.model, patch_set.patches)
        all_logits.append(logits)
        calibration = _calibrated(logits[validates], patch_set, validates)
        cards.append(card_with(blank, calibration, patch_set.patches[splits.has_role("train", fold)]))
    judged = judge_out_of_fold(patch_set, splits, all_logits, cards)
    figures = score(judged.predictions, recipe.seed)
    return figures["auroc" if name in FINDINGS else "macro_auroc"], figures["balanced_accuracy"]


def _calibrated(logits: F32, patch_set: PatchSet, validates: np.typing.NDArray[np.bool_]) -> Calibration:
    return calibrate(logits, patch_set.labels[validates], positive_indices(patch_set))


# --- across sets: no fine-tuning ---


def rendered_to_real(bench: Bench, recipe: Recipe) -> Iterator[tuple[str, Figure]]:
    """A network that learnt rendered cells alone, on every cell of the real sets, whole and cut out."""
    source = bench.patches_of(FINDINGS[0])
    recipe = replace(recipe, rehearsal_worth=ONLY_RENDERED, epochs=1, rehearsed_patches_an_epoch=1)
    trainer = bench.trainer(source, recipe)
    held = np.arange(len(source)) % 2 == 0
    model = trainer.fit(source.patches, source.labels, held, recipe).model
    for name in FINDINGS:
        target = bench.patches_of(name)
        for how, patches in (("", target.patches), (CUT_OUT, _cut_out(target))):
            p = probabilities(predict_logits(model, patches), 1.0)
            yield f"rendered to {name}{how}", _auroc(target, p, target.labels == 1)


def _cut_out(patch_set: PatchSet) -> U8:
    """The patches with black for all that is not the cell in the middle, as sets of single cells come."""
    return patch_set.patches * find_regions(patch_set.patches, patch_set.sources).cell[..., np.newaxis]


def real_to_real(bench: Bench, recipe: Recipe) -> Iterator[tuple[str, Figure]]:
    """A network of ALL-IDB1 on another hospital's blasts, and on white cells of healthy people."""
    source = bench.patches_of(FINDINGS[0])
    everything = np.ones(len(source), dtype=np.bool_)
    held = split_validation(source.labels, source.groups, source.sources, everything, recipe.seed)
    fitted = bench.trainer(source, recipe).fit(source.patches, source.labels, held.is_validation, recipe)
    validates = held.is_validation
    calibration = _calibrated(predict_logits(fitted.model, source.patches[validates]), source, validates)
    for name in KINDS:
        target = bench.patches_of(name)
        p = probabilities(predict_logits(fitted.model, target.patches), calibration.temperature)
        if target.positive_labels:
            truth = np.isin(target.labels, positive_indices(target))
            yield f"all-idb1 to {name}, malignant against benign", _auroc(target, p, truth)
        else:
            white = np.isin(np.array(target.label_names)[target.labels], WHITE_CELLS)
            called = p[white, 1] >= (calibration.threshold or 0.5)
            share, n = float(called.mean()), int(white.sum())
            interval = wilson_interval(int(called.sum()), n)
            yield (
                f"all-idb1 to {name}, normal white cells called blasts",
                Figure(share, interval, n, len(set(target.groups))),
            )


def _auroc(target: PatchSet, p: F64, truth: np.typing.NDArray[np.bool_]) -> Figure:
    from alltrain.metrics import Predictions

    made = Predictions(
        labels=truth.astype(np.int64),
        p=p,
        called=p.argmax(axis=1),
        review=np.zeros(truth.size, dtype=np.bool_),
        groups=target.groups,
        label_names=("no", "yes"),
        positive=(1,),
    )
    return score(made)["auroc"]


# --- tables ---


class Kept:
    """Finished figures, by row and column, in a file of JSON lines."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[tuple[str, str], str] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                row, column, words = json.loads(line)
                self._found[row, column] = words

    def get(self, row: str, column: str) -> str | None:
        """What stands there, if it was measured."""
        return self._found.get((row, column))

    def put(self, row: str, column: str, words: str) -> None:
        """Keep it, and print it so that somebody who waits sees it."""
        self._found[row, column] = words
        print(f"<!-- {row} | {column} | {words} -->", flush=True)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([row, column, words]) + "\n")


def words_of(figure: Figure) -> str:
    """0.950 (0.930 to 0.965), or why there is none."""
    if figure.value is None or figure.ci95 is None:
        return figure.in_words()
    return f"{figure.value:.3f} ({figure.ci95[0]:.3f} to {figure.ci95[1]:.3f})"


def measure(bench: Bench, rows: Iterable[Row], sets: Sequence[str], kept: Kept, across: bool) -> None:
    """Every figure that is not kept already: folds first, then what is judged across sets."""
    for row in rows:
        for name in (name for name in row.sets if name in sets):
            if kept.get(row.name, name) is None:
                auroc, balanced = figures_of(bench, name, bench.recipe_of(row, name))
                kept.put(row.name, name, f"{words_of(auroc)} | {words_of(balanced)}")
        if across and FINDINGS[0] in row.sets:
            _measure_across(bench, row.name, bench.recipe_of(row, FINDINGS[0]), kept)


def _measure_across(bench: Bench, row: str, recipe: Recipe, kept: Kept) -> None:
    if recipe.rehearsal_fields and kept.get(row, f"rendered to {FINDINGS[-1]}{CUT_OUT}") is None:
        for column, figure in rendered_to_real(bench, recipe):
            kept.put(row, column, words_of(figure))
    if kept.get(row, f"across {KINDS[-1]}") is None:
        for name, (column, figure) in zip(KINDS, real_to_real(bench, recipe), strict=True):
            kept.put(row, f"across {name}", f"{column}: {words_of(figure)}")


def tables(bench: Bench, rows: Sequence[Row], sets: Sequence[str], kept: Kept) -> Iterator[str]:
    """Markdown lines of all that is kept."""
    for name in sets:
        patch_set = bench.patches_of(name)
        unit = "groups" if patch_set.grouped else "images in place of groups"
        yield f"\n**{name}**: {len(patch_set)} cells, {len(patch_set.label_names)} labels,"
        yield f"{len(set(patch_set.groups))} {unit}.\n"
        yield "| | AUROC (95 %) | balanced accuracy (95 %) |\n|---|---|---|"
        yield from (f"| {row.name} | {words} |" for row in rows if (words := kept.get(row.name, name)))
    rendered = (f"rendered to {name}{how}" for name in FINDINGS for how in ("", CUT_OUT))
    columns = (*rendered, *(f"across {name}" for name in KINDS))
    yield "\n**Across sets, no fine-tuning**\n\n| | judged | (95 %) |\n|---|---|---|"
    for column in columns:
        for row in rows:
            if words := kept.get(row.name, column):
                judged, _, value = words.rpartition(": ")
                yield f"| {row.name} | {judged or column} | {value} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[*FINDINGS, *KINDS], choices=[*FINDINGS, *KINDS])
    parser.add_argument("--rows", type=int, nargs="+", default=range(len(ROWS)), help="by number, from 0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--at-most", type=int, default=1000, help="patches of a set without known groups")
    parser.add_argument("--within", action="store_true", help="nothing across sets")
    parser.add_argument("--keep", type=Path, help="file of finished figures, read and added to")
    parser.add_argument("--quick", action="store_true", help="so short that the figures mean nothing")
    asked = parser.parse_args(arguments)
    recipe = Recipe(seed=asked.seed, rehearsal_fields=N_FIELDS)
    if asked.quick:
        recipe = replace(recipe, epochs=1, rehearsal_epochs=1, rehearsal_fields=3)
        recipe = replace(recipe, least_patches_an_epoch=256, rehearsed_patches_an_epoch=64)
    MODELS[FIVE_CONVOLUTIONS] = _five_convolutions
    bench = Bench(asked.data, recipe, 2 if asked.quick else asked.folds, asked.at_most)
    kept, rows = Kept(asked.keep), [ROWS[index] for index in asked.rows]
    measure(bench, rows, asked.sets, kept, not asked.within)
    for line in tables(bench, rows, asked.sets, kept):
        print(line)


def _five_convolutions(n_labels: int) -> "keras.Model":
    from alltrain.models.smearnet import build_smearnet

    return build_smearnet(n_labels, ((1, 16, 2), (1, 24, 2), (1, 32, 2), (1, 48, 2), (1, 64, 3)))


if __name__ == "__main__":
    main()
