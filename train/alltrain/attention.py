"""Does the network look at the cell? A figure with an interval, not an impression from a few heat maps.

A network that reads the stain of the plasma or the cell next door can be right on every fold of a study and
useless on the next. So of a random sample of held-out cells, each explained by the model that never saw it,
three things are measured:

- attention: the share of the evidence (gradcam.py, for and against the call alike) that lies on the cell,
  against the share of the area that the cell covers, which is what looking anywhere would give;
- the same for the network with its weights shuffled, layer by layer (J. Adebayo et al., "Sanity checks for
  saliency maps", NeurIPS 2018). Any network answers where there is stain, so a map that is no better than
  this one tells where the stain is and nothing of what was learnt;
- the call itself with all but the cell painted over, and with the cell painted over (occlusion, after
  M. D. Zeiler, R. Fergus, ECCV 2014). No map, no gradient: it is the plainer witness of the two.

The network is said to look at the cell when both witnesses say so. A map is no finer than the places of its
convolution, each of which sees some micrometres around itself: evidence read at the rim of the cell lies
partly beyond it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from alledge.illumination import PLASMA_LEVEL
from alledge.strict_json import Json
from alledge.types import F32, F64, I64, U8
from alltrain.datasets.dataset import PatchSet
from alltrain.figures import Figure
from alltrain.gradcam import Evidence, find_evidence
from alltrain.intervals import plan_resampling, wilson_interval
from alltrain.regions import Regions, find_regions, is_masked
from alltrain.training import predict_logits

if TYPE_CHECKING:
    import keras

Mask = npt.NDArray[np.bool_]

N_SAMPLED: Final = 150  # cells, spread over the labels; the interval is then about 0.05 wide on each side
REGIONS: Final = ("the cell", "neighbours", "plasma")
_LEAST_AREA: Final = 0.02  # of the patch; a sliver of a region cannot be said to be looked at


class Verdict(StrEnum):
    """What the attention of a network says."""

    ON_THE_CELL = "on the cell"
    NOT_SHOWN = "not shown to be on the cell"
    OFF_THE_CELL = "beside the cell, below chance"


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Where a network looked, cell by cell.

    rows: (n,) int64, places in the PatchSet. is_sampled: (n,) bool, drawn at random, so that it counts in
    the figures; the others were asked for. evidence: (n, 50, 50) float32, above 0 for the call.
    share, area: (n, 3) float64, of the absolute evidence and of the pixels, on cell, neighbours and plasma.
    is_silent: (n,) bool, no evidence anywhere; the share is then that of the area, neither here nor there.
    control: (n,) float64, share on the cell with shuffled weights. likeness: (n,) float64, rank correlation
    of the map with that of the shuffled network.
    stays_alone, stays_without: (n,) bool, the likeliest label stays with all but the cell painted over, and
    with the cell painted over.
    """

    rows: I64
    is_sampled: Mask
    evidence: F32
    regions: Regions
    share: F64
    area: F64
    is_silent: Mask
    control: F64
    likeness: F64
    stays_alone: Mask
    stays_without: Mask
    layer: str
    places: int
    weighting: str


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """Attention on the cells of one label, or on all.

    on_cell: share of the evidence. chance: share of the area. gain: the one minus the other.
    neighbours, plasma: shares of the evidence there. control: share on the cell with shuffled weights.
    """

    name: str
    on_cell: Figure
    chance: float
    gain: Figure
    neighbours: float
    plasma: float
    control: float


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """The attention of a run.

    counts: of cells by where their evidence is densest, in the order of REGIONS. beyond_control: share on
    the cell minus that of the shuffled network. likeness: mean rank correlation with its maps.
    stays_alone, stays_without: share of cells whose likeliest label stays with all but the cell painted
    over, and with the cell painted over; alone_over_without: their paired difference.
    n_silent: cells without any evidence. n_disc: cells without outline, for which a disc stands.
    """

    verdict: Verdict
    all_cells: AttentionRow
    by_label: tuple[AttentionRow, ...]
    counts: tuple[int, ...]
    beyond_control: Figure
    likeness: float
    stays_alone: Figure
    stays_without: Figure
    alone_over_without: Figure
    n_silent: int
    n_disc: int
    looked: Looked

    @property
    def is_suspect(self) -> bool:
        """Whether a reader must be warned."""
        return self.verdict is not Verdict.ON_THE_CELL

    @property
    def labels_below_chance(self) -> tuple[str, ...]:
        """Labels with less evidence on their cells than the area asks for, by the interval."""
        return tuple(row.name for row in self.by_label if row.gain.ci95 is not None and row.gain.ci95[1] < 0)

    @property
    def sentence(self) -> str:
        """The finding in a sentence with its numbers."""
        n, (cell, neighbours, plasma) = sum(self.counts), self.counts
        below = self.labels_below_chance
        return (
            f"Attention is {self.verdict.value}: it is densest on the cell in {cell} of {n} cells, on"
            f" neighbours in {neighbours}, on plasma in {plasma}; the call stays in"
            f" {_percent(self.stays_alone)} with all but the cell painted over, in"
            f" {_percent(self.stays_without)} with the cell painted over."
            + (f" On cells of {', '.join(below)} the evidence lies beside the cell." if below else "")
        )

    @property
    def caution(self) -> str:
        """What the map cannot tell, where a shuffled network draws no worse a one; else empty."""
        low, _ = self.beyond_control.ci95 or (0.0, 0.0)
        if low > 0:
            return ""
        return (
            f"A network with shuffled weights has {self.all_cells.control:.2f} of its evidence on the cell"
            f" (this one {self.all_cells.on_cell.value:.2f}): the share alone tells where there is stain, not"
            " what was learnt. Painting over does not depend on it."
        )

    def as_json(self) -> dict[str, Json]:
        """The figures, without any map."""
        return {
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "on_cell": self.all_cells.on_cell.as_json(),
            "chance": round(self.all_cells.chance, 6),
            "gain": self.all_cells.gain.as_json(),
            "shuffled_weights": round(self.all_cells.control, 6),
            "beyond_shuffled_weights": self.beyond_control.as_json(),
            "likeness_to_shuffled": round(self.likeness, 6),
            "call_stays_with_cell_alone": self.stays_alone.as_json(),
            "call_stays_without_cell": self.stays_without.as_json(),
            "alone_over_without": self.alone_over_without.as_json(),
            "by_label": {row.name: row.on_cell.as_json() for row in self.by_label},
            "method": f"{self.looked.weighting} at {self.looked.layer}",
        }


# --- looking ------------------------------------------------------------------------------------------------


def sample_cells(labels: I64, n_labels: int, n_cells: int, seed: int) -> I64:
    """(n,) int64 indices, ascending: as many of every label as there are, up to its part of `n_cells`."""
    rng = np.random.default_rng(seed)
    most = max(1, n_cells // n_labels)
    drawn = [rng.permutation(np.flatnonzero(labels == label))[:most] for label in range(n_labels)]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def look(
    patch_set: PatchSet,
    fold_of_patch: I64,
    called: I64,
    load_model: Callable[[int], "keras.Model"],
    seed: int,
    also: Sequence[int] = (),
) -> Looked:
    """Explain a sample of cells, each by the model of the fold that held it out.

    Args:
        patch_set: all cells of the run.
        fold_of_patch: (N,) int64, which model held each out.
        called: (N,) int64, the label that each was called.
        load_model: gives the model of a fold; it is asked once a fold.
        seed: of the sample and of the shuffled weights.
        also: further cells to explain, for a sheet; they do not count in the figures.

    Raises RuntimeMissing when Keras gives no gradients here.
    """
    sampled = sample_cells(patch_set.labels, len(patch_set.label_names), N_SAMPLED, seed)
    rows = np.union1d(sampled, np.asarray(also, dtype=np.int64)).astype(np.int64)
    patches, fold_of_row = patch_set.patches[rows], fold_of_patch[rows]
    regions = find_regions(patches, [patch_set.sources[row] for row in rows])
    maps, shuffled = (np.zeros(patches.shape[:3], dtype=np.float32) for _ in range(2))
    stays_alone, stays_without = (np.zeros(rows.size, dtype=np.bool_) for _ in range(2))
    for fold in np.unique(fold_of_row).tolist():
        own = np.flatnonzero(fold_of_row == fold)
        part = _look_with(load_model(fold), patches[own], regions.cell[own], called[rows[own]], seed)
        maps[own], shuffled[own] = part.evidence.maps, part.shuffled
        stays_alone[own], stays_without[own] = part.stays_alone, part.stays_without
    masks = (regions.cell, regions.neighbours, regions.plasma)
    return Looked(
        rows=rows,
        is_sampled=np.isin(rows, sampled),
        evidence=maps,
        regions=regions,
        share=np.stack([_share(maps, mask) for mask in masks], axis=1),
        is_silent=np.asarray(~maps.any(axis=(1, 2))),
        area=np.stack([mask.mean(axis=(1, 2)) for mask in masks], axis=1),
        control=_share(shuffled, regions.cell),
        likeness=_rank_correlation(np.abs(maps), np.abs(shuffled)),
        stays_alone=stays_alone,
        stays_without=stays_without,
        layer=part.evidence.layer,
        places=part.evidence.places,
        weighting=part.evidence.weighting.value,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _LookedWith:
    """What one model says of its cells."""

    evidence: Evidence
    shuffled: F32
    stays_alone: Mask
    stays_without: Mask


def _look_with(model: "keras.Model", patches: U8, cell: Mask, called: I64, seed: int) -> _LookedWith:
    likeliest = predict_logits(model, patches).argmax(axis=1)
    alone = predict_logits(model, paint_over(patches, ~cell)).argmax(axis=1)
    without = predict_logits(model, paint_over(patches, cell)).argmax(axis=1)
    evidence = find_evidence(model, patches, called)
    learnt = model.get_weights()
    try:
        model.set_weights(shuffled_weights(learnt, seed))
        shuffled = find_evidence(model, patches, called).maps
    finally:
        model.set_weights(learnt)
    return _LookedWith(evidence, shuffled, alone == likeliest, without == likeliest)


def shuffled_weights(weights: Sequence[F32], seed: int) -> list[F32]:
    """The same numbers in every tensor, in random order: what was learnt is gone, the scale is not."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(tensor.ravel()).reshape(tensor.shape) for tensor in weights]


def paint_over(patches: U8, where: Mask) -> U8:
    """Patches with empty plasma where the mask says so (black in patches cut out on black).

    patches: (N, S, S, 3) uint8 RGB. where: (N, S, S) bool.
    """
    painted = patches.copy()
    for patch, mask in zip(painted, where, strict=True):
        patch[mask] = 0 if is_masked(patch) else PLASMA_LEVEL
    return painted


def _share(evidence: F32, mask: Mask) -> F64:
    """(n,) share of the absolute evidence within the mask; that of the area where there is no evidence.

    evidence: (n, S, S). mask: (n, S, S) bool.
    """
    weight = np.abs(evidence.astype(np.float64))
    weight[~weight.any(axis=(1, 2))] = 1.0
    return np.asarray((weight * mask).sum(axis=(1, 2)) / weight.sum(axis=(1, 2)))


def _rank_correlation(first: F32, second: F32) -> F64:
    """(n,) Spearman's correlation of two maps, (n, S, S) each; 0 where one of them is flat."""
    maps = [one.reshape(len(one), -1) for one in (first, second)]
    ranks = [np.argsort(np.argsort(one, axis=1), axis=1).astype(np.float64) for one in maps]
    spread = ranks[0].std(axis=1) * ranks[1].std(axis=1)
    means = [rank.mean(axis=1, keepdims=True) for rank in ranks]
    correlation = ((ranks[0] - means[0]) * (ranks[1] - means[1])).mean(axis=1) / spread
    flat = (np.ptp(maps[0], axis=1) == 0) | (np.ptp(maps[1], axis=1) == 0)
    return np.asarray(np.where(flat, 0.0, correlation))


# --- judging ------------------------------------------------------------------------------------------------


def judge_attention(patch_set: PatchSet, looked: Looked, seed: int) -> Attention:
    """The figures of a sample of cells, with intervals over groups where there are enough of them."""
    sampled = looked.is_sampled
    groups = np.array([patch_set.groups[row] for row in looked.rows], dtype=str)
    labels = patch_set.labels[looked.rows]

    def row(name: str, among: Mask) -> AttentionRow:
        share, area = looked.share[among], looked.area[among]
        return AttentionRow(
            name=name,
            on_cell=_mean(share[:, 0], groups[among], seed),
            chance=float(area[:, 0].mean()),
            gain=_mean(share[:, 0] - area[:, 0], groups[among], seed),
            neighbours=float(share[:, 1].mean()),
            plasma=float(share[:, 2].mean()),
            control=float(looked.control[among].mean()),
        )

    all_cells = row("all cells", sampled)
    of_label = [(name, sampled & (labels == k)) for k, name in enumerate(patch_set.label_names)]
    alone, without = looked.stays_alone[sampled], looked.stays_without[sampled]
    paired = _mean(alone.astype(np.float64) - without, groups[sampled], seed)
    speaking = sampled & ~looked.is_silent
    return Attention(
        verdict=_verdict(all_cells.gain, paired),
        all_cells=all_cells,
        by_label=tuple(row(name, among) for name, among in of_label if among.any()),
        counts=_densest(looked.share[speaking], looked.area[speaking]),
        beyond_control=_mean(looked.share[sampled, 0] - looked.control[sampled], groups[sampled], seed),
        likeness=float(looked.likeness[sampled].mean()),
        stays_alone=_proportion(alone, groups[sampled]),
        stays_without=_proportion(without, groups[sampled]),
        alone_over_without=paired,
        n_silent=int((sampled & looked.is_silent).sum()),
        n_disc=int((sampled & ~looked.regions.outlined).sum()),
        looked=looked,
    )


def _verdict(*witnesses: Figure) -> Verdict:
    """On the cell when every difference is above 0 by its interval, off it when one is below."""
    ends = [witness.ci95 or (0.0, 0.0) for witness in witnesses]
    if any(high < 0 for _, high in ends):
        return Verdict.OFF_THE_CELL
    return Verdict.ON_THE_CELL if all(low > 0 for low, _ in ends) else Verdict.NOT_SHOWN


def _percent(figure: Figure) -> str:
    return f"{100 * (figure.value or 0.0):.0f} %"


def _mean(values: F64, groups: npt.NDArray[np.str_], seed: int) -> Figure:
    resampling = plan_resampling(groups.tolist(), seed)
    interval = resampling.interval(lambda weights: weights @ values / weights.sum(axis=1))
    return Figure(float(values.mean()), interval, values.size, resampling.n_groups)


def _proportion(hits: Mask, groups: npt.NDArray[np.str_]) -> Figure:
    n, n_hits = hits.size, int(hits.sum())
    return Figure(n_hits / n, wilson_interval(n_hits, n), n, len(set(groups.tolist())))


def _densest(share: F64, area: F64) -> tuple[int, ...]:
    """How many cells have most evidence for its area on each region."""
    density = np.where(area >= _LEAST_AREA, share / np.maximum(area, _LEAST_AREA), 0.0)
    return tuple(np.bincount(density.argmax(axis=1), minlength=len(REGIONS)).tolist())
