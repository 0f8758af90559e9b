"""Pictures that show the same thing twice: copies, changed copies, and one cell photographed twice.

A twin of a training picture among the test pictures is an answer handed out with the question. Four
steps, each on what the one before has left: equal bytes and equal pixels by hash; candidates by
fingerprint (`fingerprints.py`, `proposing.py`); the best of eight positions and all shifts; alignment and
comparison of detail (`confirming.py`). Only the last step decides.

The same search serves whole images and the 20 um patches around cells. A patch is centred on its cell and
has one scale, so the same cell is found again in shifted, cropped and rescaled images, in fields that
overlap in a corner, and in other data sets.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from alledge.types import F32, I64, U8
from alltrain.audit.confirming import POSITIONS, Agreement, agree, best_position
from alltrain.audit.fingerprints import SIDE_PX, details, folded_thumbnails, spectra, standardise, to_square
from alltrain.audit.proposing import nearest_pairs, unique_pairs

Progress = Callable[[int, int], None]

NEAR_CORRELATION: Final = 0.99
"""Grey correlation, unmoved, from which a pair counts as a near duplicate rather than a changed copy."""

_LEAST_THUMBNAIL: Final = 0.93
_COARSE_PX: Final = 48


@dataclass(frozen=True, slots=True)
class Search:
    """How far a search goes, and what proves a twin.

    nearest: candidates of each picture. least_spectrum: likeness from which a pair is a candidate.
    least_peak: agreement of details at the best shift from which it is aligned; both only save time.
    least_grey, least_detail, least_structure: what aligned twins reach and strangers do not.
    """

    nearest: int
    least_spectrum: float
    least_peak: float
    least_grey: float
    least_detail: float
    least_structure: float


IMAGES: Final = Search(6, 0.4, 0.55, 0.9, 0.65, 0.3)
PATCHES: Final = Search(6, 0.5, 0.7, 0.95, 0.75, 0.45)
"""A patch is one round cell on plasma: two strangers lie well on each other, so more is asked of detail."""


class TwinKind(StrEnum):
    """In what way two pictures are the same."""

    FILE = "same file"
    PIXELS = "same pixels"
    NEAR = "near duplicate"
    AUGMENTED = "changed copy or retake"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that show the same thing, by index.

    correlation: of grey levels, aligned. detail: of local contrast, aligned. change: in words, what was
    done to the second.
    """

    first: int
    second: int
    kind: TwinKind
    correlation: float
    detail: float
    change: str


def find_patch_twins(
    a: U8, b: U8 | None = None, apart: Sequence[str] | None = None, progress: Progress | None = None
) -> tuple[Pair, ...]:
    """Pairs of patches that show the same cell: a patch of `a` and one of `b`, or two of `a`.

    Args:
        a: (N, 50, 50, 3) uint8 RGB.
        b: (M, 50, 50, 3) uint8 RGB; None for pairs within `a`, first < second.
        apart: (N) source image of each patch; two patches of one image are not compared. Only within `a`.
        progress: told of pairs compared and pairs in all.

    Returns:
        Pairs sorted by indices. Of copies equal bit for bit the first stands for all: the others are paired
        with it only, so that groups of twins are found by following pairs.
    """
    grey_a = np.stack([_grey(patch) for patch in a]) if len(a) else np.empty((0, 1, 1), np.uint8)
    if b is None:
        return find_twins(_keys(a), grey_a, PATCHES, apart, progress)
    grey_b = np.stack([_grey(patch) for patch in b]) if len(b) else np.empty((0, *grey_a.shape[1:]), np.uint8)
    sides = ["a"] * len(a) + ["b"] * len(b)
    return _between(_keys(a), _keys(b), grey_a, grey_b, sides, progress)


def find_twins(
    keys: Sequence[bytes],
    squares: U8,
    search: Search,
    apart: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> tuple[Pair, ...]:
    """Pairs of pictures that show the same thing.

    keys: (N) equal where the pixels are equal. squares: (N, S, S) uint8 grey, squeezed to a square.
    apart: (N) names; pictures of one name are not compared.
    """
    names = np.arange(len(keys)) if apart is None else np.unique(np.asarray(apart), return_inverse=True)[1]
    first_of: dict[bytes, int] = {}
    exact: list[Pair] = []
    for index, key in enumerate(keys):
        original = first_of.setdefault(key, index)
        if original != index and names[original] != names[index]:
            exact.append(Pair(original, index, TwinKind.PIXELS, 1.0, 1.0, "none"))
    chosen = np.array(sorted(first_of.values()), dtype=np.int64)
    candidates = chosen[_propose(squares[chosen], search)]
    candidates = candidates[names[candidates[:, 0]] != names[candidates[:, 1]]]
    return tuple(sorted([*exact, *_confirm(squares, candidates, search, progress)], key=_order))


def _between(
    keys_a: Sequence[bytes],
    keys_b: Sequence[bytes],
    grey_a: U8,
    grey_b: U8,
    sides: Sequence[str],
    progress: Progress | None,
) -> tuple[Pair, ...]:
    n = len(keys_a)
    pairs = find_twins([*keys_a, *keys_b], np.concatenate([grey_a, grey_b]), PATCHES, sides, progress)
    return tuple(
        Pair(p.first, p.second - n, p.kind, p.correlation, p.detail, p.change) for p in pairs if p.first < n
    )


def _propose(squares: U8, search: Search) -> I64:
    """(K, 2) int64 pairs i < j worth a closer look."""
    if len(squares) < 2:
        return np.empty((0, 2), np.int64)
    small = np.stack([to_square(square, SIDE_PX) for square in squares])
    by_spectrum = nearest_pairs(
        standardise(spectra(details(small))), None, search.nearest, search.least_spectrum
    )
    by_thumbnail = nearest_pairs(folded_thumbnails(small), None, search.nearest, _LEAST_THUMBNAIL)
    return unique_pairs(np.concatenate([by_spectrum, by_thumbnail]))


def _confirm(squares: U8, candidates: I64, search: Search, progress: Progress | None) -> list[Pair]:
    if len(candidates) == 0:
        return []
    coarse = details(np.stack([to_square(square, _COARSE_PX) for square in squares]))
    found: list[Pair] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        compared = pool.map(
            lambda pair: _compare(squares, coarse, search, int(pair[0]), int(pair[1])), candidates
        )
        for done, pair in enumerate(compared, start=1):
            if pair is not None:
                found.append(pair)
            if progress is not None and (done % 256 == 0 or done == len(candidates)):
                progress(done, len(candidates))
    return found


def _compare(squares: U8, coarse: F32, search: Search, first: int, second: int) -> Pair | None:
    position, peak, dx, dy = best_position(coarse[first], coarse[second])
    if peak < search.least_peak:
        return None
    scale = squares.shape[1] / _COARSE_PX
    agreement = agree(squares[first], squares[second], position, dx * scale, dy * scale)
    if agreement is None or not _is_twin(agreement, search):
        return None
    is_near = agreement.raw > NEAR_CORRELATION and position == 0
    kind = TwinKind.NEAR if is_near else TwinKind.AUGMENTED
    return Pair(first, second, kind, agreement.grey, agreement.detail, _change(agreement))


def _is_twin(agreement: Agreement, search: Search) -> bool:
    return (
        agreement.grey >= search.least_grey
        and agreement.detail >= search.least_detail
        and agreement.structure >= search.least_structure
    )


def _change(agreement: Agreement) -> str:
    """What was done to the second picture, in words."""
    words = [POSITIONS[agreement.position]] if agreement.position else []
    if agreement.shift > 0.01:
        words.append(f"shifted by {agreement.shift:.0%} of the side")
    if abs(agreement.stretch - 1) > 0.015:
        words.append(f"scaled by {1 / agreement.stretch:.2f}")
    return ", ".join(words) or "hardly any"


def _keys(patches: U8) -> list[bytes]:
    return [hashlib.sha256(np.ascontiguousarray(patch).tobytes()).digest() for patch in patches]


def _grey(patch: U8) -> U8:
    return np.asarray(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _order(pair: Pair) -> tuple[int, int]:
    return pair.first, pair.second
