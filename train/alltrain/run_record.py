"""A finished run as its JSON files tell it, read tolerantly.

A card may be written long after the fit, by another version. So nothing here demands a field: what is
missing is empty, and what later versions added is ignored. Checked reading is run_folder's.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from alledge.strict_json import Json

JsonMap: TypeAlias = Mapping[str, Json]

# Told in this order; a run holds those that its labels allow.
HEADLINES: Final = (
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "auroc",
    "macro_auroc",
    "auprc",
    "f1",
    "mcc",
    "ece",
    "brier",
)
_ACRONYMS: Final = frozenset({"auroc", "auprc", "f1", "mcc", "ece", "ppv", "npv"})
_NOT_FIGURES: Final = frozenset({"shipped", "confusion", "repeats", "slides", "audit", "attention"})


class RunRecord:
    """config.json, metrics.json and the last start in provenance.json, read tolerantly.

    Fields that later versions add are ignored, fields that a run lacks are empty.
    """

    def __init__(self, config: JsonMap, metrics: JsonMap, provenance: JsonMap, notes: Sequence[str]) -> None:
        self.config = config
        self.metrics = metrics
        starts = as_list(provenance.get("starts"))
        self.n_starts = len(starts)
        self.start = as_map(starts[-1]) if starts else {}
        self.notes = tuple(notes) or tuple(str(note) for note in as_list(metrics.get("notes")))

    @property
    def recipe(self) -> JsonMap:
        """How every network of the run was fitted."""
        return as_map(self.config.get("recipe"))

    @property
    def labels(self) -> dict[str, int]:
        """Cells of each label."""
        return {name: n for name, n in as_map(self.config.get("labels")).items() if isinstance(n, int)}

    @property
    def positives(self) -> tuple[str, ...]:
        """Labels that count as a finding."""
        return tuple(str(label) for label in as_list(self.config.get("positive_labels")))

    @property
    def is_grouped(self) -> bool:
        """Whether patient, slide or session of every cell is known."""
        return self.config.get("grouped") is True

    @property
    def unit(self) -> str:
        """What a fold never splits."""
        return "group" if self.is_grouped else "image"

    @property
    def models(self) -> list[JsonMap]:
        """The models that judged, then the one to ship, as metrics.json tells them."""
        return [as_map(model) for model in (*as_list(self.metrics.get("folds")), self.metrics.get("shipped"))]

    def figure(self, name: str) -> str | None:
        """A figure in words, with its interval; None where it has no value."""
        figure = as_map(self.metrics.get(name))
        value, ends = figure.get("value"), as_list(figure.get("ci95"))
        if not isinstance(value, int | float):
            return None
        interval = f" (95 % {in_digits(ends[0])} to {in_digits(ends[1])})" if len(ends) == 2 else ""
        return f"{in_digits(value)}{interval}"

    def basis(self, name: str) -> str:
        """How many cells and groups a figure rests on, in words."""
        figure = as_map(self.metrics.get(name))
        return f"{figure.get('n')} cells, {figure.get('n_groups')} {self.unit}s"

    def figure_names(self) -> list[str]:
        """Names of the figures with a value, the headlines first."""
        found = [name for name in self.metrics if name not in _NOT_FIGURES and self.figure(name)]
        return [name for name in HEADLINES if name in found] + [n for n in found if n not in HEADLINES]


def as_map(value: Json) -> JsonMap:
    """The object that a JSON value is; empty when it is none."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """The list that a JSON value is; empty when it is none."""
    return value if isinstance(value, list) else []


def words(name: str) -> str:
    """The name of a field as words, acronyms in capitals."""
    return " ".join(part.upper() if part in _ACRONYMS else part for part in name.split("_"))


def listed(fields: JsonMap, leave_out: Sequence[str] = ()) -> str:
    """Fields and their values in one line."""
    told = [f"{words(name)} {_plain(value)}" for name, value in fields.items() if name not in leave_out]
    return ", ".join(told)


def _plain(value: Json) -> str:
    if isinstance(value, dict):
        return f"({listed(value)})"
    if isinstance(value, list):
        return " ".join(_plain(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_digits(value: Json) -> str:
    """A number as figures are read: three decimals, or three digits where it is small."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.3g}"
