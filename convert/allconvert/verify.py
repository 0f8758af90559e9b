"""The golden vectors on every runtime and kernel set of this machine: does it answer as the model must?

Reference kernels have to be equal bit for bit. Optimised ones may be one step of int8 off, and may
not change a single call. A machine that fails must not be trusted with cells.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np

from alledge.calls import make_calls
from alledge.classifier import Int8Network, dequantise
from alledge.flatbuffer import read_graph
from alledge.model_file import ModelFile
from alledge.runtimes import KERNELS, Kernels, installed_runtimes, runtime_version
from alledge.strict_json import Json
from alledge.types import I8

ALLOWED_STEPS: dict[Kernels, int] = {"reference": 0, "optimised": 1}


@dataclass(frozen=True, slots=True)
class Check:
    """One runtime and kernel set against the golden vectors.

    n_different: outputs that are not bit-equal. largest_step: greatest distance, in steps of int8.
    n_changed_calls: golden patches that would be called otherwise.
    """

    runtime: str
    version: str
    kernels: Kernels
    n: int
    n_different: int
    largest_step: int
    n_changed_calls: int

    @property
    def passed(self) -> bool:
        """Within what these kernels are allowed."""
        return self.largest_step <= ALLOWED_STEPS[self.kernels] and self.n_changed_calls == 0

    def as_json(self) -> dict[str, Json]:
        """The check for --json, with its verdict."""
        return {**asdict(self), "passed": self.passed}


def check_kernels(model: ModelFile, runtime: str, kernels: Kernels) -> Check:
    """Run the golden vectors on one runtime. Raises RuntimeMissing when it cannot be imported."""
    answered = Int8Network(model.flatbuffer, runtime, kernels).int8_logits(model.golden.patches)
    return judge_answers(model, answered, runtime, kernels)


def judge_answers(model: ModelFile, answered: I8, runtime: str, kernels: Kernels) -> Check:
    """Hold what a runtime answered to the golden patches, (N, L) int8, against what it had to answer."""
    expected, output = model.golden.outputs, read_graph(model.flatbuffer).outputs[0]
    steps = np.abs(answered.astype(np.int16) - expected.astype(np.int16))
    # Familiarity looks at the patch, not at the answer: the same for both, so left out here.
    card = replace(model.card, familiarity=None)
    before, after = (
        make_calls(dequantise(logits, output), model.golden.patches, card) for logits in (expected, answered)
    )
    changed = sum((a.label, a.review) != (b.label, b.review) for a, b in zip(before, after, strict=True))
    return Check(
        runtime=runtime,
        version=runtime_version(runtime),
        kernels=kernels,
        n=len(expected),
        n_different=int((steps > 0).any(axis=1).sum()),
        largest_step=int(steps.max()),
        n_changed_calls=changed,
    )


def check_everywhere(model: ModelFile) -> tuple[Check, ...]:
    """The golden vectors on each installed runtime and kernel set, best runtime first."""
    return tuple(
        check_kernels(model, runtime, kernels) for runtime in installed_runtimes() for kernels in KERNELS
    )
