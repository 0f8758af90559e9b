"""What a fit will do, decided before any network is built: folds, validation, and the notes they need.

Everything that can be refused is refused here, so that a fit that starts can also end.
"""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from alledge.strict_json import Json
from alltrain.backend import load_keras
from alltrain.datasets.dataset import PatchSet, fingerprint
from alltrain.folds import ValidationSplit, assign_folds, check_size, split_validation
from alltrain.models import MODELS, count_macs
from alltrain.run_folder import Splits
from alltrain.training import Recipe


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person asks for. n_folds: wanted; fewer are made when groups are too few."""

    recipe: Recipe
    n_folds: int = 5


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Who trains, validates and tests what.

    validation_units: what validation kept whole ("group", "image" or "patch"), of each fold and then of
    the shipped model. notes: what a report must say about the data and the splits.
    """

    splits: Splits
    validation_units: tuple[str, ...]
    notes: tuple[str, ...]


def plan_splits(patch_set: PatchSet, settings: Settings) -> Plan:
    """Folds, and the validation patches of every model. Raises OneClassOnly, DatasetTooSmall."""
    labels, seed = patch_set.labels, settings.recipe.seed
    check_size(labels, patch_set.label_names)
    folds = assign_folds(labels, patch_set.groups, settings.n_folds, seed)
    training_sides = [folds.fold_of_patch != fold for fold in range(folds.n_folds)]
    everything = np.ones(labels.size, dtype=np.bool_)
    validations = [
        split_validation(labels, patch_set.groups, patch_set.sources, side, seed + index)
        for index, side in enumerate([*training_sides, everything])
    ]
    splits = Splits(
        fold=folds.fold_of_patch,
        shipped_roles=_roles(validations[-1], everything),
        fold_roles=tuple(map(_roles, validations[:-1], training_sides)),
    )
    units = tuple(validation.unit for validation in validations)
    notes = patch_set.notes + folds.notes + _notes_on_validation(units)
    return Plan(splits, units, tuple(dict.fromkeys(notes)))


def _roles(validation: ValidationSplit, is_training: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(
        ("validation" if validates else "train") if trains else "test"
        for validates, trains in zip(validation.is_validation, is_training, strict=True)
    )


def _notes_on_validation(units: tuple[str, ...]) -> tuple[str, ...]:
    if set(units) == {"group"}:
        return ()
    held_out = "patches" if "patch" in units else "images"
    note = (
        f"Too few groups to validate on whole ones: stopping and thresholds rest on held-out {held_out} of"
        " the training groups."
    )
    return (note,)


def describe(patch_set: PatchSet, settings: Settings, plan: Plan) -> dict[str, Json]:
    """config.json: everything that decides the result, so that --resume can tell whether it may."""
    load_keras()
    network = MODELS[settings.recipe.model](len(patch_set.label_names))
    recipe: dict[str, Json] = asdict(settings.recipe)
    units: list[Json] = [*plan.validation_units]
    counts: dict[str, Json] = {**patch_set.label_counts}
    return {
        "recipe": recipe,
        "n_parameters": int(network.count_params()),
        "n_macs": count_macs(network),
        "n_folds_asked": settings.n_folds,
        "n_folds": plan.splits.n_folds,
        "validation_units": units,
        "fingerprint": fingerprint(patch_set),
        "layout": patch_set.layout,
        "grouped": patch_set.grouped,
        "is_phantom": patch_set.is_phantom,
        "n_patches": len(patch_set),
        "n_groups": len(set(patch_set.groups)),
        "labels": counts,
        "positive_labels": [*patch_set.positive_labels],
    }


def model_name(settings: Settings, patch_set: PatchSet, marked: bool = False) -> str:
    """Network and first digits of the data's fingerprint: enough to tell two models apart.

    marked: fitted in spite of a proven leak; the name says so wherever the model goes.
    """
    return f"{settings.recipe.model}-{fingerprint(patch_set)[:8]}{'-leaky' if marked else ''}"
