"""Whether size, format, compression or camera tell the class of an image.

Each fact is held against the class by a measure between "tells nothing" and "tells it all": Cramer's V
for facts with few values, the area under the ROC curve for numbers. Chance is judged twice, by exchanging
the labels of single images, and by exchanging those of whole groups: images of one slide share their camera
anyway, so what looks impossible over images may be three slides and a coin.

Sources: H. Cramer, Mathematical Methods of Statistics (1946), chapter 21; permutation p-value with the
observed arrangement counted in, B. Phipson, G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.strict_json import Json
from alledge.types import F64, I64
from alltrain.audit.image_records import ImageRecord

N_PERMUTATIONS: Final = 999
LEAST_V: Final = 0.3
"""Cramer's V from which a fact counts as telling: "medium" for two classes (J. Cohen,
Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 7)."""

LEAST_AUROC: Final = 0.75
"""Area from which a number counts as telling: the classes lie about one standard deviation apart."""

MOST_P: Final = 0.01
MIN_GROUPS: Final = 8
"""Groups below which no exchange of groups is rare: with 3 + 3 groups one exchange in twenty is perfect."""

_LEAST_IMAGES: Final = 10


@dataclass(frozen=True, slots=True)
class Correlate:
    """One fact against the class.

    measure: "Cramer's V" or "AUROC". strength: its value. p_images, p_groups: chance of as much or more when
    labels are exchanged between images, between groups. values: the fact by class, in words.
    """

    name: str
    measure: str
    strength: float
    p_images: float
    p_groups: float
    n_images: int
    n_groups: int
    values: str

    @property
    def tells(self) -> bool:
        """Whether the fact gives the class away: strong, and no chance as far as that can be judged."""
        least = LEAST_V if self.measure == "Cramer's V" else LEAST_AUROC
        is_chance = self.p_images > MOST_P or (self.n_groups >= MIN_GROUPS and self.p_groups > 0.05)
        return self.strength >= least and not is_chance

    def sentence(self) -> str:
        """The finding for a person."""
        chance = f"p = {self.p_images:.3f} over images, {self.p_groups:.3f} over {self.n_groups} groups"
        verb = "goes with" if self.tells else "does not clearly go with"
        return f"{self.name} {verb} the class ({self.measure} {self.strength:.2f}, {chance}): {self.values}."

    def as_json(self) -> dict[str, Json]:
        """The finding as audit.json holds it."""
        return {
            "name": self.name,
            "measure": self.measure,
            "strength": round(self.strength, 4),
            "p_images": round(self.p_images, 4),
            "p_groups": round(self.p_groups, 4),
            "n_images": self.n_images,
            "n_groups": self.n_groups,
            "tells": self.tells,
            "values": self.values,
        }


def find_correlates(records: Sequence[ImageRecord], seed: int) -> tuple[Correlate, ...]:
    """All facts that vary, held against the label of the image; strongest first."""
    labelled = [record for record in records if record.image.label is not None]
    if len(labelled) < _LEAST_IMAGES or len({record.image.label for record in labelled}) < 2:
        return ()
    found = [
        *(_categorical(name, labelled, read, seed) for name, read in _CATEGORIES),
        *(_numeric(name, labelled, read, seed) for name, read in _NUMBERS),
    ]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: -_scaled(one)))


_CATEGORIES: Final[tuple[tuple[str, Callable[[ImageRecord], str]], ...]] = (
    ("Image size", lambda record: f"{record.facts.width} x {record.facts.height}"),
    ("File format", lambda record: record.facts.kind),
    ("Camera", lambda record: record.facts.camera or "not told"),
    ("Day of the picture", lambda record: (record.facts.taken or "not told")[:10]),
)
_NUMBERS: Final[tuple[tuple[str, Callable[[ImageRecord], float | None]], ...]] = (
    ("Image area in pixels", lambda record: float(record.facts.width * record.facts.height)),
    ("Width over height", lambda record: record.facts.width / record.facts.height),
    ("JPEG quality", lambda record: record.facts.jpeg_quality),
    (
        "Bytes a pixel",
        lambda record: record.facts.n_bytes / (record.facts.width * record.facts.height),
    ),
    ("Exposure in seconds", lambda record: record.facts.exposure_s),
)


def _categorical(
    name: str, records: Sequence[ImageRecord], read: Callable[[ImageRecord], str], seed: int
) -> Correlate | None:
    values = [read(record) for record in records]
    kinds, codes = np.unique(np.asarray(values), return_inverse=True)
    if len(kinds) < 2:
        return None
    names, labels = _labels(records)

    def strength(shuffled: I64) -> float:
        return cramers_v(codes, shuffled, len(kinds), len(names))

    words = []
    for k, label in enumerate(names):
        counts = np.bincount(codes[labels == k], minlength=len(kinds))
        most = np.argsort(-counts, kind="stable")[:3]
        words.append(f"{label}: " + ", ".join(f"{counts[m]} {kinds[m]}" for m in most if counts[m]))
    return _judged(name, "Cramer's V", records, labels, strength, "; ".join(words), seed)


def _numeric(
    name: str, records: Sequence[ImageRecord], read: Callable[[ImageRecord], float | None], seed: int
) -> Correlate | None:
    told = [(record, value) for record in records if (value := read(record)) is not None]
    values = np.array([value for _, value in told], dtype=np.float64)
    known = [record for record, _ in told]
    if len(known) < _LEAST_IMAGES or np.ptp(values) == 0 or len({r.image.label for r in known}) < 2:
        return None
    names, labels = _labels(known)
    ranks = mean_ranks(values)

    def strength(shuffled: I64) -> float:
        return 0.5 + float(np.abs(areas_by_rank(ranks, shuffled, len(names)) - 0.5).max())

    middle = (f"{label}: median {np.median(values[labels == k]):.3g}" for k, label in enumerate(names))
    return _judged(name, "AUROC", known, labels, strength, "; ".join(middle), seed)


def mean_ranks(values: F64) -> F64:
    """(N,) float64: rank of each value from 1, equal values share their mean rank."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[codes.reshape(-1)], dtype=np.float64)


def areas_by_rank(ranks: F64, labels: I64, n_labels: int) -> F64:
    """(L,) float64: area under the ROC curve of each label against the others, 0.5 for an absent label.

    Source: the rank sum of H. B. Mann, D. R. Whitney, Ann. Math. Stat. 18 (1947) 50-60.
    """
    n = np.bincount(labels, minlength=n_labels).astype(np.float64)
    above = np.bincount(labels, weights=ranks, minlength=n_labels) - n * (n + 1) / 2
    pairs = n * (labels.size - n)
    return np.asarray(np.where(pairs > 0, above / np.maximum(pairs, 1), 0.5), dtype=np.float64)


def cramers_v(codes: I64, labels: I64, n_kinds: int, n_labels: int) -> float:
    """Cramer's V of two codings, each (N,) int64: 0 independent, 1 when one decides the other."""
    table = np.bincount(codes * n_labels + labels, minlength=n_kinds * n_labels).reshape(n_kinds, n_labels)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    if min(table.shape) < 2:
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    chi_squared = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi_squared / (table.sum() * (min(table.shape) - 1))))


def _labels(records: Sequence[ImageRecord]) -> tuple[list[str], I64]:
    labels = [str(record.image.label) for record in records]
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    return [str(name) for name in names], codes.astype(np.int64)


def _judged(
    name: str,
    measure: str,
    records: Sequence[ImageRecord],
    labels: I64,
    strength: Callable[[I64], float],
    values: str,
    seed: int,
) -> Correlate:
    rng = np.random.default_rng(seed)
    groups = np.unique(np.asarray([record.image.group for record in records]), return_inverse=True)[1]
    observed = strength(labels)
    by_image = [strength(rng.permutation(labels)) for _ in range(N_PERMUTATIONS)]
    by_group = [strength(exchange_groups(labels, groups, rng)) for _ in range(N_PERMUTATIONS)]
    p_images, p_groups = _p_value(observed, by_image), _p_value(observed, by_group)
    return Correlate(name, measure, observed, p_images, p_groups, len(records), int(groups.max()) + 1, values)


def exchange_groups(labels: I64, groups: I64, rng: np.random.Generator) -> I64:
    """Labels (N,) int64 after groups have exchanged theirs; a larger group repeats what it is given.

    groups: (N,) int64, 0 to G - 1, each used.
    """
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    by_group = np.lexsort((labels, groups))
    place = np.empty_like(groups)
    place[by_group] = np.arange(groups.size) - starts[groups[by_group]]
    giver = rng.permutation(sizes.size)[groups]
    taken = starts[giver] + place * sizes[giver] // sizes[groups]
    return labels[by_group][taken]


def _p_value(observed: float, by_chance: Sequence[float]) -> float:
    as_much = int((np.asarray(by_chance) >= observed - 1e-12).sum())
    return (1 + as_much) / (1 + len(by_chance))


def _scaled(one: Correlate) -> float:
    """Both measures from 0 to 1, for sorting."""
    return one.strength if one.measure == "Cramer's V" else 2 * one.strength - 1
