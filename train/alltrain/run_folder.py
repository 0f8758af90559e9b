"""RUN/: everything that one fit leaves behind, and the only place that knows its files.

    model.keras   the model to ship         folds/fold_K.keras  the model that judged fold K
    metrics.json  every figure              folds/*.npz         logits of all patches, the course
    report.html   the same for eyes         splits.csv          who trained, validated and tested what
    card.json     what a device must know   predictions.csv     out-of-fold probabilities and calls
    config.json   what was asked for        patches.npz         patches and labels as fitted
    audit.json    leaks, twins, shortcuts   slides.csv          groups, pooled into calls
    model_card.md CLAIM and TRIPOD+AI       provenance.json     code, machine and time of every start

config.json comes first and metrics.json last, each file whole (alledge.durable). So a run that was cut
short is known by its missing metrics.json, and --resume goes on with the models that are finished.
"""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from alledge.card import Card
from alledge.durable import write_whole
from alledge.errors import AllscopeError, PathUnusable, RunUnusable, StorageFailed
from alledge.strict_json import Json
from alledge.types import F32, F64, I64, U8
from alltrain.backend import load_keras
from alltrain.calibration import Calibration
from alltrain.datasets.dataset import PatchSet
from alltrain.unfinished import FOLDS, SAVING, holds_only_debris, sweep

if TYPE_CHECKING:
    import keras

CONFIG: Final = "config.json"
METRICS: Final = "metrics.json"
CARD: Final = "card.json"
REPORT: Final = "report.html"
AUDIT: Final = "audit.json"
MODEL_CARD: Final = "model_card.md"
SLIDES: Final = "slides.csv"
SPLITS: Final = "splits.csv"
PREDICTIONS: Final = "predictions.csv"
PATCHES: Final = "patches.npz"
MODEL: Final = "model.keras"
ROLES: Final = ("train", "validation", "test")
_FIT_AGAIN: Final = "Fit again into a new folder."
_SPLIT_COLUMNS: Final = ("patch_id", "source", "group", "label", "fold", "shipped_role")


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Who did what. fold: (N,) int64 test fold of each patch.

    shipped_roles: (N,) "train" or "validation" for model.keras.
    fold_roles: for each fold model, (N,) "train", "validation" or "test".
    """

    fold: I64
    shipped_roles: tuple[str, ...]
    fold_roles: tuple[tuple[str, ...], ...]

    @property
    def n_folds(self) -> int:
        """Fold models there are."""
        return len(self.fold_roles)

    def has_role(self, role: str, fold: int | None) -> np.typing.NDArray[np.bool_]:
        """(N,) bool: the patch has this role for a fold model, or for the shipped one (None)."""
        roles = self.shipped_roles if fold is None else self.fold_roles[fold]
        return np.array([found == role for found in roles], dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What a fitted network left beside its weights.

    logits: (N, L) float32 of every patch of the run. epochs: (E, 3) float64, a row an epoch: training
    loss, validation loss, validation accuracy. best_epoch: row whose weights were kept.
    """

    logits: F32
    epochs: F64
    best_epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run, read back and checked.

    patches: (N, 50, 50, 3) uint8 RGB; labels: (N,) int64 into card.labels; patch_ids, sources, groups: N.
    calibrations: temperature, threshold and review band of each fold model, as fitted on its validation.
    """

    path: Path
    patches: U8
    labels: I64
    patch_ids: tuple[str, ...]
    sources: tuple[str, ...]
    groups: tuple[str, ...]
    splits: Splits
    card: Card
    metrics: Mapping[str, Json]
    calibrations: tuple[Calibration, ...]

    def load_model(self, fold: int | None = None) -> "keras.Model":
        """The model that judged a fold, or the shipped one. Raises RunUnusable when it cannot be read."""
        return load_model(self.path, fold)

    def course(self, fold: int | None = None) -> Course:
        """Logits and training course of a fold model, or of the shipped one. Raises RunUnusable."""
        return read_course(self.path, fold)


# --- while a run is made ---


def refuse_taken(out: Path, resume: bool) -> None:
    """Stop before any work when `out` cannot become the run. Writes nothing.

    Raises:
        PathUnusable: the folder holds something and `resume` is off, or it is no folder.
    """
    if out.exists() and not out.is_dir():
        raise PathUnusable(f"{out} is a file.", "Give the path of a new folder to --out.")
    if _holds_something(out) and not resume:
        raise PathUnusable(
            f"{out} is not empty.", "Give a new folder, or --resume to go on with the run in it."
        )


def _holds_something(out: Path) -> bool:
    return out.is_dir() and any(out.iterdir())


def start_run(out: Path, config: Mapping[str, Json], resume: bool) -> None:
    """Make the folder, or take up the run that lies there.

    Raises:
        PathUnusable: as `refuse_taken`.
        RunUnusable: `resume` is on and what lies there was fitted from other data or settings.
        StorageFailed: the folder cannot be written.
    """
    refuse_taken(out, resume)
    if _holds_something(out):
        if (out / CONFIG).is_file():
            _require_same_config(out, config)
            sweep(out)
            return
        _require_only_debris(out)
    try:
        (out / FOLDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{out} cannot be made ({error.strerror}).", "Give another place.") from error
    write_json(out / CONFIG, config)


def _require_only_debris(out: Path) -> None:
    """Sweep up after a start that was cut short before config.json; anything else is somebody's."""
    if not holds_only_debris(out):
        raise RunUnusable(f"{out} holds no run ({CONFIG} is missing).", _FIT_AGAIN)
    sweep(out)


def _require_same_config(out: Path, config: Mapping[str, Json]) -> None:
    found = _read_json(out / CONFIG)
    if found == json.loads(json.dumps(config)):
        return
    differing = sorted(key for key in {*found, *config} if found.get(key) != config.get(key))
    raise RunUnusable(
        f"{out} was started with other {', '.join(differing)}.", "Resume with the same, or give a new folder."
    )


def save_model(out: Path, fold: int | None, model: "keras.Model", course: Course) -> None:
    """Write a model and its course; the course last, for it marks the model as finished."""
    # Keras saves to a path only; the bytes then go through write_whole like every other file.
    aside = _model_path(out, fold).with_name(SAVING)
    try:
        model.save(aside)
        data = aside.read_bytes()
    except OSError as error:
        raise StorageFailed(f"{out} cannot be written ({error.strerror}).", "Free space there.") from error
    finally:
        aside.unlink(missing_ok=True)
    write_whole(_model_path(out, fold), data)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=course.logits, epochs=course.epochs, best_epoch=course.best_epoch)
    write_whole(_course_path(out, fold), buffer.getvalue())


def is_finished(out: Path, fold: int | None) -> bool:
    """Whether this model of the run was fitted and saved."""
    return _course_path(out, fold).is_file() and _model_path(out, fold).is_file()


def write_json(path: Path, content: Mapping[str, Json]) -> None:
    """A JSON file, whole. Raises StorageFailed."""
    write_whole(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_text(path: Path, text: str) -> None:
    """A UTF-8 text file, whole. Raises StorageFailed."""
    write_whole(path, text.encode())


def write_patches(out: Path, patch_set: PatchSet) -> None:
    """patches.npz: what was fitted, so that nobody needs the images again."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, patches=patch_set.patches, labels=patch_set.labels)
    write_whole(out / PATCHES, buffer.getvalue())


def write_splits(out: Path, patch_set: PatchSet, splits: Splits) -> None:
    """splits.csv: one row a patch."""
    header = [*_SPLIT_COLUMNS, *(f"fold_{fold}" for fold in range(splits.n_folds))]
    rows = [
        [
            patch_set.patch_ids[index],
            patch_set.sources[index],
            patch_set.groups[index],
            patch_set.label_names[patch_set.labels[index]],
            int(splits.fold[index]),
            splits.shipped_roles[index],
            *(roles[index] for roles in splits.fold_roles),
        ]
        for index in range(len(patch_set))
    ]
    write_csv(out / SPLITS, header, rows)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str | int | float]]) -> None:
    """A CSV file, whole. Raises StorageFailed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


def _model_path(out: Path, fold: int | None) -> Path:
    return out / MODEL if fold is None else out / FOLDS / f"fold_{fold}.keras"


def _course_path(out: Path, fold: int | None) -> Path:
    return out / FOLDS / ("shipped.npz" if fold is None else f"fold_{fold}.npz")


# --- reading ---


def read_run(path: Path) -> Run:
    """Read a finished run and check that its files belong together.

    Raises:
        PathUnusable: there is no such folder.
        RunUnusable: the run was cut short, or a file is missing, damaged or of another run.
    """
    if not path.is_dir():
        raise PathUnusable(f"{path} is no folder.", "Give the folder that `alltrain fit --out` made.")
    if not (path / METRICS).is_file():
        raise RunUnusable(
            f"{path} holds no finished run ({METRICS} is missing).", "Finish it: alltrain fit ... --resume."
        )
    metrics = _read_json(path / METRICS)
    card = _read_card(path)
    patches, labels = _read_patches(path)
    rows = _read_rows(path / SPLITS)
    splits = _parse_splits(rows, path)
    if not len(rows) == len(patches) == len(labels) or labels.max(initial=0) >= len(card.labels):
        raise RunUnusable(f"{path}: {SPLITS}, {PATCHES} and {CARD} are of different runs.", _FIT_AGAIN)
    return Run(
        path=path,
        patches=patches,
        labels=labels,
        patch_ids=tuple(row["patch_id"] for row in rows),
        sources=tuple(row["source"] for row in rows),
        groups=tuple(row["group"] for row in rows),
        splits=splits,
        card=card,
        metrics=metrics,
        calibrations=_read_calibrations(metrics, splits.n_folds, path),
    )


def load_model(path: Path, fold: int | None = None) -> "keras.Model":
    """A model of a run. Raises RunUnusable when the file is missing or damaged."""
    file = _model_path(path, fold)
    try:
        return load_keras().models.load_model(file, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunUnusable(f"{file} cannot be read as a Keras model.", _FIT_AGAIN) from error


def read_course(path: Path, fold: int | None = None) -> Course:
    """Logits and training course of a model of a run. Raises RunUnusable."""
    file = _course_path(path, fold)
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            return Course(
                stored["logits"].astype(np.float32),
                stored["epochs"].astype(np.float64),
                int(stored["best_epoch"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunUnusable(f"{file} cannot be read.", _FIT_AGAIN) from error


def _read_json(file: Path) -> dict[str, Json]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunUnusable(f"{file} is missing or is no JSON.", _FIT_AGAIN) from error
    if not isinstance(content, dict):
        raise RunUnusable(f"{file} holds no JSON object.", _FIT_AGAIN)
    return content


def _read_card(path: Path) -> Card:
    try:
        return Card.from_json((path / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError, AllscopeError) as error:
        raise RunUnusable(f"{path / CARD} is missing or damaged: {error}", _FIT_AGAIN) from error


def _read_patches(path: Path) -> tuple[U8, I64]:
    try:
        with np.load(io.BytesIO((path / PATCHES).read_bytes()), allow_pickle=False) as stored:
            patches, labels = stored["patches"], stored["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunUnusable(f"{path / PATCHES} cannot be read.", _FIT_AGAIN) from error
    if patches.dtype != np.uint8 or patches.ndim != 4 or labels.ndim != 1:
        raise RunUnusable(f"{path / PATCHES} holds no (N, 50, 50, 3) uint8 patches.", _FIT_AGAIN)
    return patches, labels.astype(np.int64)


def _read_rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise RunUnusable(f"{file} cannot be read.", _FIT_AGAIN) from error


def _parse_splits(rows: Sequence[Mapping[str, str]], path: Path) -> Splits:
    try:
        n_folds = sum(1 for column in rows[0] if column not in _SPLIT_COLUMNS)
        fold = np.array([int(row["fold"]) for row in rows], dtype=np.int64)
        shipped = tuple(row["shipped_role"] for row in rows)
        fold_roles = tuple(tuple(row[f"fold_{k}"] for row in rows) for k in range(n_folds))
    except (IndexError, KeyError, ValueError) as error:
        raise RunUnusable(f"{path / SPLITS} lacks a column or a row.", _FIT_AGAIN) from error
    if {role for roles in (shipped, *fold_roles) for role in roles} - set(ROLES):
        raise RunUnusable(f"{path / SPLITS} names a role other than {', '.join(ROLES)}.", _FIT_AGAIN)
    return Splits(fold, shipped, fold_roles)


def _read_calibrations(metrics: Mapping[str, Json], n_folds: int, path: Path) -> tuple[Calibration, ...]:
    folds = metrics.get("folds")
    if not isinstance(folds, list) or len(folds) != n_folds:
        raise RunUnusable(f"{path / METRICS} and {SPLITS} are of different runs.", _FIT_AGAIN)
    return tuple(_calibration_from(fold, path) for fold in folds)


def _calibration_from(fold: Json, path: Path) -> Calibration:
    calibration = fold.get("calibration") if isinstance(fold, dict) else None
    match calibration:
        case {"temperature": float(t), "threshold": float(cut), "review_band": [float(low), float(high)]}:
            return Calibration(t, cut, (low, high))
        case {"temperature": float(t), "threshold": None, "review_band": None}:
            return Calibration(t, None, None)
        case _:
            raise RunUnusable(f"{path / METRICS} lacks a fold's calibration.", _FIT_AGAIN)
