"""Twins side by side, for the eye: whoever doubts a finding shall see it.

The doubtful pairs come first: a person who believes those believes the rest.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from alledge.images import read_image
from alledge.types import U8
from alltrain.audit.leaks import Twin
from alltrain.audit.twins import TwinKind
from alltrain.datasets.dataset import PatchSet
from alltrain.pictures import data_uri

MOST_PAIRS: Final = 18
"""Of each level."""

_SHOWN_PX: Final = 240


@dataclass(frozen=True, slots=True)
class PairPicture:
    """One pair. first, second: data URIs."""

    twin: Twin
    first: str
    second: str


def picture_pairs(
    twins: Sequence[Twin], path_of: Mapping[str, Path], patch_set: PatchSet
) -> tuple[PairPicture, ...]:
    """Pictures of the twins that matter most: split or wrongly labelled ones, the least alike first."""
    index = {patch_id: k for k, patch_id in enumerate(patch_set.patch_ids)}
    shown = []
    for level in ("image", "patch"):
        chosen = sorted((twin for twin in twins if twin.level == level), key=_by_weight)[:MOST_PAIRS]
        for twin in chosen:
            if level == "image":
                pair = [_image_uri(read_image(path_of[name])) for name in (twin.first, twin.second)]
            else:
                pair = [data_uri(patch_set.patches[index[name]]) for name in (twin.first, twin.second)]
            shown.append(PairPicture(twin, pair[0], pair[1]))
    return tuple(shown)


def _by_weight(twin: Twin) -> tuple[bool, bool, bool, float]:
    is_copy = twin.kind in (TwinKind.FILE, TwinKind.PIXELS)
    return not twin.labels_differ, not twin.is_split, is_copy, twin.detail


def _image_uri(pixels: U8) -> str:
    """A BGR image, made small, as a JPEG inside a URI."""
    scale = _SHOWN_PX / max(pixels.shape[:2])
    size = (max(1, round(scale * pixels.shape[1])), max(1, round(scale * pixels.shape[0])))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(pixels, size, interpolation=method), dtype=np.uint8)
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
