"""Which layers to leave out of int8: the fewest that help, found by where the error arises.

A layer hurts in one of two ways. Its weights lose what they say: then it alone goes to float32. Or what
flows between it and the next layer does not fit into 256 steps: then both compute in 16x8, and int16
flows between them (a layer alone in 16x8 would change nothing, for its neighbours give and take int8). So
sets are tried in the order of their size, the layers ranked by how much signal to noise is lost at them.
An operation that has no int8 form at all is always among them, or there would be nothing to try.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from allconvert.candidate import Candidate, Wide, left_wide
from allconvert.layer_errors import KINDS, LayerError, layer_errors
from allconvert.story import Precision, PrecisionException
from alledge.flatbuffer import Graph, read_graph

N_PATCHES: Final = 48  # training patches that the errors of the layers are measured on
N_RANKED: Final = 2  # layers of each way to hurt that are tried
CLEAN_DB: Final = 45.0  # about what a healthy int8 layer reaches


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A set of layers. wide, reasons: by place in the float file; reasons hold layer and reason."""

    wide: Wide
    reasons: Mapping[int, tuple[str, str]]
    words: str
    exceptions: tuple[PrecisionException, ...]


def choose_layers(base: Candidate) -> Iterator[Choice]:
    """Sets of layers to leave out of int8, the smallest first; never more than half of those with weights.

    Args:
        base: the network that ships in int8, or as far as it could be. What is found there holds for the
            networks of the folds too, which have the same layers.

    Raises FidelityRefused when no runtime runs the int8 network.
    """
    graph = read_graph(base.network.file)
    formless = left_wide(base.flatbuffer, graph)
    always: dict[int, Precision] = dict.fromkeys(formless, "float32")
    why = {place: (_layer(graph, place), "no int8 form") for place in formless}
    if formless:
        yield _choice(always, why)
    errors = layer_errors(base.network.rewritten, base.flatbuffer, base.representative.patches[:N_PATCHES])
    places = [place for place, one in enumerate(graph.operations) if one.name in KINDS]
    if len(places) != len(errors):
        return
    weighted = [index for index, error in enumerate(errors) if error.weight_sqnr_db is not None]
    for run, precision in _sets(errors, weighted):
        if 2 * len([index for index in run if index in weighted]) > len(weighted):
            continue
        span = range(places[run[0]], places[run[-1]] + 1)
        names = {places[index]: errors[index] for index in run}
        reasons = {place: _reason(graph, place, names.get(place)) for place in span}
        yield _choice({**always, **dict.fromkeys(span, precision)}, {**why, **reasons})


def _sets(errors: Sequence[LayerError], weighted: Sequence[int]) -> Iterator[tuple[range, Precision]]:
    """Runs of layers, as indices into the errors: single ones, pairs, then threes."""
    lossy = sorted(weighted, key=lambda index: errors[index].weight_sqnr_db or 0.0)[:N_RANKED]
    for index in lossy:
        yield range(index, index + 1), "float32"
    drops = {index: _drop(errors, index) for index in weighted[:-1]}
    worst = sorted(drops, key=lambda index: -drops[index])[:N_RANKED]
    pairs = [range(index, weighted[weighted.index(index) + 1] + 1) for index in worst]
    for pair in pairs:
        yield pair, "16x8"
    for pair in pairs:
        yield pair, "float32"
    for pair in pairs[:1]:
        before = max(0, weighted.index(pair[0]) - 1)
        after = min(len(weighted) - 1, weighted.index(pair[-1]) + 1)
        yield range(pair[0], weighted[after] + 1), "float32"
        yield range(weighted[before], pair[-1] + 1), "float32"


def _drop(errors: Sequence[LayerError], index: int) -> float:
    """Decibels of signal to noise that are lost at a layer, in its loudest or its quietest channels."""
    before = errors[index - 1] if index else None
    arrives = (
        (min(CLEAN_DB, before.sqnr_db), min(CLEAN_DB, before.worst_channel_db)) if before else (CLEAN_DB,) * 2
    )
    return max(arrives[0] - errors[index].sqnr_db, arrives[1] - errors[index].worst_channel_db)


def _layer(graph: Graph, place: int) -> str:
    return graph.tensors[graph.operations[place].outputs[0]].name.split(";")[0]


def _reason(graph: Graph, place: int, error: LayerError | None) -> tuple[str, str]:
    if error is None:
        return _layer(graph, place), "lies between layers that need it"
    weights = f", its weights to {error.weight_sqnr_db:.0f} dB" if error.weight_sqnr_db is not None else ""
    quiet = f", its quietest channel to {error.worst_channel_db:.0f} dB"
    return error.layer, f"int8 takes its output to {error.sqnr_db:.0f} dB of signal to noise{quiet}{weights}"


def _choice(wide: Wide, reasons: Mapping[int, tuple[str, str]]) -> Choice:
    exceptions = tuple(
        PrecisionException(reasons[place][0], wide[place], reasons[place][1]) for place in sorted(wide)
    )
    words = ", ".join(f"{one.layer} in {one.precision}" for one in exceptions)
    return Choice(wide, reasons, words, exceptions)
