"""The proof as one HTML page that loads nothing from elsewhere: verdict first, then what it rests on."""

import base64
from dataclasses import dataclass
from typing import Final

import cv2
import jinja2
import numpy as np

from allconvert.fidelity import Comparison, Flip, PairedCalls
from allconvert.inspection import read_network
from allconvert.layer_errors import LayerError
from allconvert.quantise import Proof
from alledge import RESEARCH_USE_ONLY
from alledge.types import U8
from alltrain.run_folder import Run

PLOT_PX: Final = 300
MAX_DOTS: Final = 3000
MAX_PICTURES: Final = 60
# The forest plot spans at least five margins to either side, so that the margin itself can be seen.
FOREST_PX: Final = 260
FOREST_MARGINS: Final = 5
LAYER_PX: Final = 180
LAYER_DB: Final = 60  # the plot of the layers ends here: rounding to 8 bits alone leaves about 50


@dataclass(frozen=True, slots=True)
class Dot:
    """One patch in the plot of int8 against float probability, in plot pixels."""

    x: float
    y: float
    kind: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One change with its interval, in plot pixels."""

    low: float
    middle: float
    high: float
    margin: float


@dataclass(frozen=True, slots=True)
class LayerBar:
    """One layer's signal to noise in plot pixels: of the whole layer, and of its worst channel."""

    whole: float
    worst: float
    steps: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A patch whose call changed. png: base64."""

    flip: Flip
    patch_id: str
    group: str
    png: str


def render_report(proof: Proof, sha256: str | None) -> str:
    """The page. sha256: of the model file, None when it was refused."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("allconvert"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["points"] = _points
    environment.filters["sentence"] = _sentence
    return environment.get_template("fidelity.html.j2").render(
        proof=proof,
        card=proof.int8_model.card,
        sha256=sha256,
        research_use_only=RESEARCH_USE_ONLY,
        unsupported=[one for comparison in proof.comparisons for one in comparison.unsupported],
        exceptions=[one for rung in proof.story[-1:] for one in rung.exceptions],
        layers=[(error, _layer_bar(error)) for error in proof.layer_errors],
        layer_px=LAYER_PX,
        layer_db=LAYER_DB,
        network=read_network(proof.int8_model.flatbuffer),
        sections=[(comparison, _bars(comparison, proof.margins.loss)) for comparison in proof.comparisons],
        dots=_dots(proof.pairs),
        plot_px=PLOT_PX,
        forest_px=FOREST_PX,
        pictures=[_pictures(comparison, proof.run) for comparison in proof.comparisons],
        max_pictures=MAX_PICTURES,
        zipped=zip,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _sentence(text: str) -> str:
    """With a capital in front; names within keep theirs."""
    return text[:1].upper() + text[1:]


def _points(change: float) -> str:
    """A change of a share in percentage points, with its sign."""
    return f"{100 * change:+.2f}"


def _layer_bar(error: LayerError) -> LayerBar:
    def place(decibels: float) -> float:
        return round(LAYER_PX * min(max(decibels, 0.0), LAYER_DB) / LAYER_DB, 1)

    steps = error.largest_error / error.scale if error.scale else None
    return LayerBar(place(error.sqnr_db), place(error.worst_channel_db), steps)


def _bars(comparison: Comparison, margin: float) -> dict[str, Bar]:
    """A forest plot of the gated changes: middle of the plot is no change."""
    gated = [change for change in comparison.changes if change.margin is not None]
    ends = [abs(end) for change in gated for end in change.ci95]
    reach = max([FOREST_MARGINS * margin, *ends])

    def place(value: float) -> float:
        return round(FOREST_PX / 2 * (1 + value / reach), 1)

    return {
        change.name: Bar(place(change.ci95[0]), place(change.change), place(change.ci95[1]), place(-margin))
        for change in gated
    }


def _dots(pairs: PairedCalls) -> list[Dot]:
    """Probability of a positive (of the true label where none is positive), float against int8."""
    n = len(pairs.labels)
    rows = np.arange(n) if n <= MAX_DOTS else np.unique(np.linspace(0, n - 1, MAX_DOTS).astype(np.int64))
    dots = []
    for row in rows:
        shown = list(pairs.positive) or [int(pairs.labels[row])]
        flipped = pairs.float_called[row] != pairs.int8_called[row]
        kind = "flip" if flipped else "finding" if pairs.labels[row] in pairs.positive else "other"
        before, after = float(pairs.float_p[row, shown].sum()), float(pairs.int8_p[row, shown].sum())
        dots.append(Dot(round(before * PLOT_PX, 1), round((1 - after) * PLOT_PX, 1), kind))
    return sorted(dots, key=lambda dot: dot.kind == "flip")


def _pictures(comparison: Comparison, run: Run) -> list[Picture]:
    return [
        Picture(flip, run.patch_ids[flip.row], run.groups[flip.row], _png(run.patches[flip.row]))
        for flip in comparison.flips[:MAX_PICTURES]
    ]


def _png(patch: U8) -> str:
    """A patch (50, 50, 3) RGB as base64 PNG."""
    written, data = cv2.imencode(".png", np.ascontiguousarray(patch[:, :, ::-1]))
    assert written
    return base64.b64encode(data.tobytes()).decode()
