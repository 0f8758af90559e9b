"""What a finished run can say of itself, one short text a fact, by name.

Facts are taken from the plain contents of config.json, metrics.json and provenance.json, and from nothing
else, so that a card can be written again from a folder alone. A fact that a run does not hold is left
out; whoever asks for it sees that it is open. The names are those that checklists.py lists.
"""

from collections.abc import Callable, Sequence
from typing import Final

from alledge.card import INTENDED_USE
from alledge.illumination import ILLUMINATION_VERSION
from alledge.patches import PATCH_PX, PATCH_UM
from alltrain.run_record import HEADLINES, RunRecord, as_list, as_map, in_digits, listed, words

_EXCLUSIONS: Final = ("left out", "not found", "not here")  # in the notes of alltrain.datasets
_SCALE: Final = "red cells"
DIAGNOSTIC: Final = ("sensitivity", "specificity", "auroc", "auprc")


def collect_facts(run: RunRecord) -> dict[str, str]:
    """Every fact that the run holds, by name."""
    found = {name: tell(run) for name, tell in _FACTS.items()}
    return _TRUE_OF_EVERY_RUN | {name: text for name, text in found.items() if text}


# --- the data ---


def _data(run: RunRecord) -> str | None:
    layout, print_ = run.config.get("layout"), run.config.get("fingerprint")
    if layout is None or print_ is None:
        return None
    origin = "Rendered smears (phantom), no patient among them" if run.config.get("is_phantom") else "Images"
    return f"{origin}; layout {layout}; SHA-256 of the patches and their labels {print_}."


def _excluded(run: RunRecord) -> str | None:
    told = [note for note in run.notes if any(sign in note for sign in _EXCLUSIONS)]
    return " ".join(told) or None


def _acquisition(run: RunRecord) -> str:
    told = " ".join(note for note in run.notes if _SCALE in note)
    pixel_um = f"{PATCH_UM / PATCH_PX:g}"
    return f"Pixel size settled image by image, then resampled to {pixel_um} um a pixel. {told}".strip()


def _labels(run: RunRecord) -> str | None:
    if not run.labels:
        return None
    positive = ", ".join(run.positives) or "none"
    return f"Labels as they come with the data: {', '.join(run.labels)}; a finding: {positive}."


def _numbers(run: RunRecord) -> str | None:
    n_patches, n_groups = run.config.get("n_patches"), run.config.get("n_groups")
    if n_patches is None:
        return None
    counts = ", ".join(f"{n} {label}" for label, n in run.labels.items())
    groups = f"{n_groups} groups" if run.is_grouped else f"{n_groups} images, patients unknown"
    return f"{n_patches} cells ({counts}) of {groups}."


def _partition_counts(run: RunRecord) -> str | None:
    told = []
    for fold in map(as_map, as_list(run.metrics.get("folds"))):
        counts = ", ".join(f"{n} {label}" for label, n in as_map(fold.get("patches")).items())
        told.append(f"test fold {fold.get('fold')}: {counts}")
    return f"{'; '.join(told)}. splits.csv lists every cell." if told else None


def _sample_size(run: RunRecord) -> str | None:
    numbers = _numbers(run)
    return f"Given by the data, not calculated: {numbers}" if numbers else None


# --- the design ---


def _technology(run: RunRecord) -> str | None:
    model = run.recipe.get("model")
    return f"Deep learning: a convolutional network ({model}) on pictures of single cells." if model else None


def _partition(run: RunRecord) -> str | None:
    n_folds, seed = run.config.get("n_folds"), run.recipe.get("seed")
    if n_folds is None:
        return None
    return (
        f"{n_folds}-fold cross-validation, drawn with seed {seed}, {run.unit} by {run.unit} and balanced by"
        " label; every cell is in one test fold. splits.csv lists who trained, validated and tested."
    )


def _validation(run: RunRecord) -> str | None:
    units = list(dict.fromkeys(str(unit) for unit in as_list(run.config.get("validation_units"))))
    if not units:
        return None
    held_out = " or ".join("single patches" if unit == "patch" else f"whole {unit}s" for unit in units)
    return f"About a fifth of each training side validates: {held_out}."


def _disjoint(run: RunRecord) -> str | None:
    if "grouped" not in run.config:
        return None
    if run.is_grouped:
        return "Test folds are disjoint by group (patient, slide or session, as the data name it)."
    return "Test folds are disjoint by image only: patients are unknown, so all figures may be optimistic."


def _clusters(run: RunRecord) -> str:
    return f"The {run.unit} is the cluster: never split by a fold, resampled whole, accuracy told for each."


# --- the model ---


def _model(run: RunRecord) -> str | None:
    n_parameters, n_macs = run.config.get("n_parameters"), run.config.get("n_macs")
    if not isinstance(n_parameters, int) or not isinstance(n_macs, int):
        return None
    return (
        f"{run.recipe.get('model')}: {n_parameters:,} parameters, {n_macs / 1e6:.1f} million "
        f"multiply-accumulates a cell; {PATCH_PX} x {PATCH_PX} x 3 in, {len(run.labels)} logits out. "
        "model.keras holds every layer and weight."
    )


def _initialisation(run: RunRecord) -> str | None:
    seed = run.recipe.get("seed")
    if seed is None:
        return None
    rehearsed = run.recipe.get("rehearsal_fields")
    shown = any("rendered phantom cells were shown" in note for note in run.notes)
    start = f", then fitted to cells of {rehearsed} rendered fields" if rehearsed and shown else ""
    return f"Random weights from seed {seed} (plus one and the number of the fold for the folds){start}."


def _training(run: RunRecord) -> str | None:
    settings = listed(run.recipe, ("model", "augmentation"))
    return f"AdamW, warm-up and half a cosine; {settings}." if run.recipe else None


def _augmentation(run: RunRecord) -> str | None:
    augmentation = as_map(run.recipe.get("augmentation"))
    return (
        f"Training patches varied anew each time, mirrored and turned: {listed(augmentation)}."
        if augmentation
        else None
    )


def _selection(run: RunRecord) -> str | None:
    epochs = [
        f"{model.get('best_epoch')} of {model.get('epochs')}" for model in run.models if model.get("epochs")
    ]
    if not epochs:
        return None
    told = ", ".join(epochs)
    return f"Weights of the epoch with the least validation loss, folds first, the shipped last: {told}."


def _output(run: RunRecord) -> str:
    cut = "; a cell is positive from a threshold on, and goes to a person within a band around it"
    return f"A probability for each label{cut if run.positives else ', the likeliest is called'}."


def _calibration(run: RunRecord) -> str | None:
    told = []
    for model in run.models:
        fitted = as_map(model.get("calibration"))
        if "temperature" in fitted:
            threshold = fitted.get("threshold")
            cut = "" if threshold is None else f", threshold {in_digits(threshold)}"
            told.append(f"temperature {in_digits(fitted['temperature'])}{cut}")
    if not told:
        return None
    return f"Fitted on validation cells only, folds first, the shipped last: {'; '.join(told)}."


# --- how it was judged ---


def _internal(run: RunRecord) -> str:
    return f"Every cell judged by a model that never saw its {run.unit} (out of fold), pooled over the folds."


def _measures(run: RunRecord) -> str | None:
    names = [words(name) for name in run.figure_names()]
    return f"{', '.join(names)}; report.html draws the curves." if names else None


def _uncertainty(run: RunRecord) -> str:
    told = " ".join(note for note in run.notes if note.startswith("Interval"))
    return f"95 % intervals, by Wilson's or Newcombe's formula or wider from a bootstrap. {told}".strip()


def _performance(run: RunRecord) -> str | None:
    return _figures(run, HEADLINES)


def _diagnostic(run: RunRecord) -> str | None:
    return _figures(run, DIAGNOSTIC)


def _figures(run: RunRecord, names: Sequence[str]) -> str | None:
    told = [f"{words(name)} {figure}" for name in names if (figure := run.figure(name))]
    return f"{'; '.join(told)}." if told else None


def _confusion(run: RunRecord) -> str | None:
    confusion = as_map(run.metrics.get("confusion"))
    labels, rows = as_list(confusion.get("labels")), as_list(confusion.get("rows_are_truth"))
    told = [
        f"of {sum(n for n in counts if isinstance(n, int))} {label}: "
        + ", ".join(f"{n} called {called}" for n, called in zip(counts, labels, strict=False))
        for label, counts in zip(labels, map(as_list, rows), strict=False)
    ]
    return f"{'; '.join(told)}." if told else None


def _failures(run: RunRecord) -> str | None:
    rows = [as_list(row) for row in as_list(as_map(run.metrics.get("confusion")).get("rows_are_truth"))]
    if not rows:
        return None
    counts = [[n for n in row if isinstance(n, int)] for row in rows]
    total = sum(map(sum, counts))
    wrong = total - sum(row[index] for index, row in enumerate(counts))
    return (
        f"{wrong} of {total} cells called wrongly: shown in report.html (Cells), listed in predictions.csv."
    )


def _by_group(run: RunRecord) -> str | None:
    found = [
        (value, str(group.get("group")))
        for group in map(as_map, as_list(run.metrics.get("groups")))
        if isinstance(value := as_map(group.get("accuracy")).get("value"), int | float)
    ]
    if not found:
        return None
    (low, worst), (high, best) = min(found), max(found)
    ends = f"from {in_digits(low)} ({worst}) to {in_digits(high)} ({best})"
    return f"Accuracy by {run.unit} {ends}, n = {len(found)}."


def _limitations(run: RunRecord) -> str | None:
    phantom = ("A phantom: says nothing about clinical performance.",) if run.config.get("is_phantom") else ()
    return " ".join((*phantom, *run.notes)) or None


# --- around it ---


def _software(run: RunRecord) -> str | None:
    versions = as_map(run.start.get("versions"))
    return f"{', '.join(f'{name} {version}' for name, version in versions.items())}." if versions else None


def _code(run: RunRecord) -> str | None:
    if not run.start:
        return None
    code = as_map(run.start.get("code"))
    if not code:
        return "allscope (Apache-2.0) as an installed package; its version is among the software."
    state = "with changes that are not committed" if code.get("dirty") else "as committed"
    return f"allscope (Apache-2.0), commit {code.get('commit')}, {state}."


def _machine(run: RunRecord) -> str | None:
    machine = as_map(run.start.get("machine"))
    if not machine:
        return None
    accelerators = ", ".join(str(name) for name in as_list(machine.get("accelerators"))) or "none"
    n_replicas, n_workers = machine.get("n_replicas", 1), machine.get("n_workers", 1)
    together = f", {n_replicas} replicas of {n_workers} workers together" if n_replicas != 1 else ""
    again = f" Started {run.n_starts} times (resumed)." if run.n_starts > 1 else ""
    return (
        f"{machine.get('architecture')}, {machine.get('n_cpus')} processors, accelerators: {accelerators}, "
        f"Keras on {machine.get('backend')}{together}; started {run.start.get('started_at')} "
        f"({run.start.get('clock')}).{again}"
    )


def _users(run: RunRecord) -> str | None:
    share = run.figure("review_share")
    return f"A person looks at every cell sent to review; here a share of {share}." if share else None


# What the program does in every run, whatever the data; `model_card(..., told=...)` may say better.
_TRUE_OF_EVERY_RUN: Final[dict[str, str]] = {
    "goal": "Development of a model that sorts single white cells, with its internal evaluation.",
    "intended_use": INTENDED_USE,
    "subsets": "Every labelled cell that the pixel path could cut; none was chosen by hand.",
    "preprocessing": (
        f"The pixel path of the device (illumination {ILLUMINATION_VERSION}): plasma set to one white, a"
        f" square of {PATCH_UM:g} um resampled to {PATCH_PX} x {PATCH_PX} RGB pixels of 8 bits, whatever the"
        " magnification."
    ),
    "missing": (
        "Patches are whole by construction and nothing is imputed; a cell that cannot be cut is not used."
    ),
    "predictors": (
        f"The pixels of a square of {PATCH_UM:g} um around each cell, and nothing else; none was selected."
    ),
    "predictor_assessors": "Nobody: pixels are measured by the program.",
    "test_labels": (
        "The labels of the data: every cell is tested once, by the label that others were trained on."
    ),
    "data_kept": "patches.npz keeps the patches and labels that were used, splits.csv the partitions.",
    "differences": "None by design: development and evaluation cells are folds of one data set.",
    "shipped": (
        "model.keras is fitted by the same recipe on all cells but its own validation split; its figures are"
        " those of the fold models."
    ),
    "ensemble": "None: one network.",
    "imbalance": (
        "Labels weighted in the loss to count alike; one temperature, fitted on validation cells,"
        " recalibrates the probabilities."
    ),
    "updating": "No model was changed after its evaluation; temperature and threshold precede it.",
    "calls": (
        "By the code that the device runs, from the logits of folds/*.keras; predictions.csv holds the"
        " logits, probabilities and call of every cell."
    ),
    "protocol": (
        "config.json holds every setting, provenance.json code, machine and command, docs/training.md the"
        " method."
    ),
    "availability": (
        "model.keras is the model, card.json says how to read it, allscope (Apache-2.0) runs it."
    ),
    "poor_input": (
        "The device judges focus, light and smear of a field first and calls nothing on a poor one; a cell"
        " unlike the training cells goes to a person."
    ),
}
_FACTS: Final[dict[str, Callable[[RunRecord], str | None]]] = {
    "acquisition": _acquisition,
    "data": _data,
    "excluded": _excluded,
    "labels": _labels,
    "numbers": _numbers,
    "partition_counts": _partition_counts,
    "sample_size": _sample_size,
    "technology": _technology,
    "partition": _partition,
    "validation": _validation,
    "disjoint": _disjoint,
    "clusters": _clusters,
    "model": _model,
    "initialisation": _initialisation,
    "training": _training,
    "augmentation": _augmentation,
    "selection": _selection,
    "output": _output,
    "calibration": _calibration,
    "internal": _internal,
    "measures": _measures,
    "uncertainty": _uncertainty,
    "performance": _performance,
    "diagnostic": _diagnostic,
    "confusion": _confusion,
    "failures": _failures,
    "by_group": _by_group,
    "limitations": _limitations,
    "software": _software,
    "code": _code,
    "machine": _machine,
    "users": _users,
}
