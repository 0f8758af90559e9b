"""Which tool should make the int8 file: TensorFlow's converter, or litert-quantizer, and with whose ranges?

    python bench/converters.py RUN [RUN ...]

Every network of a run, quantised with the same representative patches in three ways and asked about the
patches that judge it: share of calls (largest logit) that agree with float, signal to noise of the logits,
bytes, milliseconds a patch, and how many of 100 patches the reference kernels answer otherwise.
Seconds are of quantising alone for litert-quantizer; the converter exports the network along with it.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from litert_quantizer import quantizer, recipe

from allconvert.candidate import quantise
from allconvert.converter import convert_to_int8
from allconvert.integers import _signature, _with_uint8_input
from allconvert.isolated import ask_isolated
from allconvert.rewriting import Rewritten
from allconvert.subject import Subject
from alledge.classifier import Int8Network, dequantise
from alledge.flatbuffer import read_graph
from alledge.quiet import quiet_stderr
from alledge.types import F32, I8, U8
from alltrain.run_folder import read_run

N_KERNELS = 100
N_TIMED = 300


def own_calibration(float_file: bytes, rewritten: Rewritten, patches: U8) -> bytes:
    """litert-quantizer as its own documentation uses it: ranges are moving averages of each patch's ends.

    The input's alone is set, to all grey levels, or what goes in would not be what was measured.
    """
    signature, name = _signature(float_file)
    with quiet_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = quantizer.Quantizer(float_file, recipe.static_wi8_ai8())
        found = made.calibrate({signature: [{name: one[None]} for one in rewritten.inputs(patches)]})
        source = read_graph(float_file).inputs[0].name
        found[source] = {
            end: np.full_like(found[source][end], rewritten.offset + level)
            for end, level in (("min", 0.0), ("max", 255.0))
        }
        result = made.quantize(found, enable_progress_bar=False, enable_progress_report=False)
    return _with_uint8_input(bytes(result.quantized_model))


def logits_of(flatbuffer: bytes, patches: U8) -> tuple[I8, F32]:
    """Int8 answers and what they stand for; the input's scale is taken as 1, as the device takes it."""
    answered = ask_isolated(flatbuffer, patches)
    return answered, dequantise(answered, read_graph(flatbuffer).outputs[0])


def ms_a_patch(flatbuffer: bytes, patches: U8) -> float:
    """Median of one patch, optimised kernels, one thread."""
    network = Int8Network(flatbuffer)
    shown = np.resize(patches, (N_TIMED, *patches.shape[1:]))
    network.int8_logits(shown[:20])
    taken = []
    for one in shown:
        started = time.perf_counter()
        network.int8_logits(one[None])
        taken.append(time.perf_counter() - started)
    return 1e3 * float(np.median(taken))


def measure(path: Path) -> None:
    """Print the table of one run."""
    run = read_run(path)
    print(f"{path.name}: {len(run.patches)} patches, {run.splits.n_folds} folds and the shipped network")
    print(f"{'':<34}{'agree':>8}{'SQNR dB':>9}{'bytes':>9}{'ms':>8}{'kernels differ':>16}{'seconds':>9}")
    rows: dict[str, list[tuple[float, ...]]] = {}
    answers: dict[str, list[I8]] = {}
    for fold in (*range(run.splits.n_folds), None):
        subject = Subject(run, fold)
        chosen, held = subject.plain_set(), run.patches[subject.held_out]
        rewritten, file = subject.plain.rewritten, subject.plain.file
        ways = {
            "TFLite converter": lambda f=fold, c=chosen: convert_to_int8(run.load_model(f), c.patches),
            "litert-quantizer, its calibration": lambda w=rewritten, f=file, c=chosen: own_calibration(
                f, w, c.patches
            ),
            "litert-quantizer, our ranges": lambda s=subject, c=chosen: (
                quantise(s.plain, c, s.extremes(s.plain, c.patches)).flatbuffer
            ),
        }
        real = subject.float_logits[subject.held_out].astype(np.float64)
        for name, make in ways.items():
            started = time.perf_counter()
            flatbuffer = make()
            seconds = time.perf_counter() - started
            answered, got = logits_of(flatbuffer, held)
            noise = float(((got - real) ** 2).sum())
            reference = ask_isolated(flatbuffer, held[:N_KERNELS], "reference")
            rows.setdefault(name, []).append(
                (
                    float((got.argmax(axis=1) == real.argmax(axis=1)).mean()),
                    10 * float(np.log10(((real - real.mean(axis=0)) ** 2).sum() / noise)),
                    float(len(flatbuffer)),
                    ms_a_patch(flatbuffer, held),
                    float((reference != answered[:N_KERNELS]).any(axis=1).mean()),
                    seconds,
                )
            )
            answers.setdefault(name, []).append(answered)
    for name, found in rows.items():
        agree, sqnr, size, ms, differ, seconds = np.mean(found, axis=0)
        print(f"{name:<34}{agree:>8.2%}{sqnr:>9.2f}{size:>9.0f}{ms:>8.3f}{differ:>16.1%}{seconds:>9.2f}")
    tool, ours = answers["TFLite converter"], answers["litert-quantizer, our ranges"]
    steps = np.concatenate([np.abs(a.astype(int) - b).ravel() for a, b in zip(tool, ours, strict=True)])
    equal = np.mean(steps == 0)
    print(f"converter and our ranges: {equal:.1%} of int8 logits equal, at most {steps.max()} steps apart")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        measure(Path(given))
