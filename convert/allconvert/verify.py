"""The golden vectors on every runtime and kernel set there is: does each answer as the model must?

Reference kernels have to be equal bit for bit. Optimised ones may be one step of int8 off, and may
not change a single call. A machine that fails must not be trusted with cells, and neither may one
whose runtime breaks down on the network.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from allconvert.elsewhere import BrokeDown, Runtime, ask, runtimes_of
from alledge.calls import make_calls
from alledge.classifier import dequantise
from alledge.flatbuffer import read_graph
from alledge.model_file import ModelFile
from alledge.runtimes import KERNELS, Kernels, runtime_version
from alledge.strict_json import Json
from alledge.types import I8

ALLOWED_STEPS: dict[Kernels, int] = {"reference": 0, "optimised": 1}
# No answer at all is as far off as int8 goes.
FARTHEST: int = 255


@dataclass(frozen=True, slots=True)
class Check:
    """One runtime and kernel set against the golden vectors.

    n_different: outputs that are not bit-equal. largest_step: greatest distance, in steps of int8.
    n_changed_calls: golden patches that would be called otherwise. python, machine: where it ran; empty
    for the process that asked. breakdown: why there was no answer, None when there was one.
    """

    runtime: str
    version: str
    kernels: Kernels
    n: int
    n_different: int
    largest_step: int
    n_changed_calls: int
    python: str = ""
    machine: str = ""
    breakdown: str | None = None

    @property
    def passed(self) -> bool:
        """Within what these kernels are allowed."""
        return (
            self.breakdown is None
            and self.largest_step <= ALLOWED_STEPS[self.kernels]
            and self.n_changed_calls == 0
        )

    def as_json(self) -> dict[str, Json]:
        """The check for --json, with its verdict."""
        return {**asdict(self), "passed": self.passed}


def check_everywhere(
    model: ModelFile,
    pythons: Iterable[Path] = (),
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> tuple[Check, ...]:
    """The golden vectors on each runtime and kernel set of this Python and of others.

    Raises RuntimeMissing when a Python cannot be asked.
    """
    runtimes = runtimes_of(pythons)
    sets = [(runtime, kernels) for runtime in runtimes for kernels in KERNELS]
    checks = []
    for done, (runtime, kernels) in enumerate(sets):
        progress("golden vectors", done, len(sets))
        checks.append(check_kernels(model, runtime, kernels))
    progress("golden vectors", len(sets), len(sets))
    return tuple(checks)


def check_kernels(model: ModelFile, runtime: Runtime, kernels: Kernels) -> Check:
    """Run the golden vectors on one runtime, in a process of its own."""
    try:
        answered = ask(runtime, kernels, model.flatbuffer, model.golden.patches)
    except BrokeDown as error:
        n = len(model.golden.outputs)
        check = Check(runtime.name, "", kernels, n, n, FARTHEST, n, breakdown=str(error))
    else:
        check = judge_answers(model, answered, runtime.name, kernels, runtime.version)
    return replace(check, version=runtime.version, python=runtime.python_version, machine=runtime.machine)


def judge_answers(
    model: ModelFile, answered: I8, runtime: str, kernels: Kernels, version: str | None = None
) -> Check:
    """Hold what a runtime answered to the golden patches, (N, L) int8, against what it had to answer.

    version: of the runtime; by default, that of the one installed here.
    """
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
        version=runtime_version(runtime) if version is None else version,
        kernels=kernels,
        n=len(expected),
        n_different=int((steps > 0).any(axis=1).sum()),
        largest_step=int(steps.max()),
        n_changed_calls=changed,
    )
