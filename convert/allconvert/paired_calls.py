"""What two networks said about the same patches: the ground that every comparison stands on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allconvert.paired import Mask
from alledge.types import F32, F64, I64
from alltrain.metrics import Predictions


@dataclass(frozen=True, slots=True, eq=False)
class PairedCalls:
    """What two networks said about the same patches, none of which set a weight of either.

    rows: (N,) int64, where the patches stand in the run. labels: (N,) int64, the truth.
    groups: N names. float_*, int8_*: logits (N, L) float32, probabilities (N, L) float64,
    calls (N,) int64 and reviews (N,) bool.
    """

    rows: I64
    labels: I64
    groups: tuple[str, ...]
    label_names: tuple[str, ...]
    positive: tuple[int, ...]
    float_logits: F32
    int8_logits: F32
    float_p: F64
    int8_p: F64
    float_called: I64
    int8_called: I64
    float_review: Mask
    int8_review: Mask

    def predictions(self, of_int8: bool) -> Predictions:
        """One network's side, for the metrics of `alltrain`."""
        return Predictions(
            labels=self.labels,
            p=self.int8_p if of_int8 else self.float_p,
            called=self.int8_called if of_int8 else self.float_called,
            review=self.int8_review if of_int8 else self.float_review,
            groups=self.groups,
            label_names=self.label_names,
            positive=self.positive,
        )


def pool(parts: Sequence[PairedCalls]) -> PairedCalls:
    """Several sets of patches as one, such as the test folds of all fold models."""
    first = parts[0]
    return PairedCalls(
        rows=np.concatenate([part.rows for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        groups=tuple(group for part in parts for group in part.groups),
        label_names=first.label_names,
        positive=first.positive,
        float_logits=np.concatenate([part.float_logits for part in parts]),
        int8_logits=np.concatenate([part.int8_logits for part in parts]),
        float_p=np.concatenate([part.float_p for part in parts]),
        int8_p=np.concatenate([part.int8_p for part in parts]),
        float_called=np.concatenate([part.float_called for part in parts]),
        int8_called=np.concatenate([part.int8_called for part in parts]),
        float_review=np.concatenate([part.float_review for part in parts]),
        int8_review=np.concatenate([part.int8_review for part in parts]),
    )
