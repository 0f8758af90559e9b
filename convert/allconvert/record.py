"""fidelity.json: the proof in figures, for programs and for whoever recomputes it (docs/fidelity.md).

Every figure has its interval, the patches and the groups it rests on, as in metrics.json. Beside them
stands what a stranger needs to get the same figures from the two models and the RUN folder: which patches,
by which role, the hashes of both files, the margins, the methods by name. fidelity.csv has a row a patch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from allconvert.changes import SEED, Change
from allconvert.fidelity import Comparison, Flip, PairedCalls
from allconvert.inspection import network_as_json, read_network
from allconvert.lost_positives import LostPositives
from allconvert.paired_table import paired_table
from allconvert.quantise import N_LAYER_PATCHES, Proof
from allconvert.representative import Representative
from alledge import RESEARCH_USE_ONLY
from alledge.strict_json import Json
from alledge.types import U8
from alltrain.intervals import MIN_GROUPS_TO_RESAMPLE
from alltrain.metrics import N_RELIABILITY_BINS
from alltrain.run_folder import MODEL, Run
from alltrain.unfinished import FOLDS

SCORES: Final = (
    "softmax in float64 of scale x (integer - zero point) / temperature, of the int8 logits; the network "
    "itself has no softmax"
)
METHODS: Final[dict[str, Json]] = {
    "agreement": "share of equal calls; Wilson's score interval, 95 %, two-sided",
    "change of a share": "Newcombe 1998, method 10, paired; widened to the percentile interval of a "
    f"bootstrap of whole groups where there are {MIN_GROUPS_TO_RESAMPLE} or more; 95 %, two-sided",
    "macro recall": "mean over the labels; interval by square and add of each label's own (Newcombe 1998)",
    "AUROC, calibration error": "bootstrap of whole groups, of patches where there are fewer; the same "
    f"resamples for both networks; 95 %, two-sided; {N_RELIABILITY_BINS} bins for the calibration error",
    "mcnemar": "exact binomial test of the flipped patches, two-sided",
    "lost_positives": "Clopper and Pearson 1934, one-sided 95 % upper bound, patches as independent",
    "n_needed of a share": "patches at the shares seen, no net loss, from which the interval stays within",
    "n_needed of lost_positives": "positive calls, at the share seen, from which the bound stays within",
    "logit_sqnr_db": "power of the float logits about their means over power of the error",
    "seed of the bootstrap": SEED,
}


def proof_as_json(proof: Proof, sha256: str | None) -> dict[str, Json]:
    """The proof as fidelity.json holds it. sha256: of the model file, None when it was refused."""
    card, run = proof.int8_model.card, proof.run
    margins: dict[str, Json] = {**asdict(proof.margins)}
    unsupported = [sentence for comparison in proof.comparisons for sentence in comparison.unsupported]
    return {
        "verdict": "refused" if proof.objections else "accepted",
        "objections": list(proof.objections),
        "margins": margins,
        "margins_supported": not unsupported,
        "unsupported": list(unsupported),
        "story": [rung.as_json() for rung in proof.story],
        "model_sha256": sha256,
        "flatbuffer_sha256": hashlib.sha256(proof.int8_model.flatbuffer).hexdigest(),
        "float_model": {"file": MODEL, "sha256": _sha256_of(run.path / MODEL)},
        "data_fingerprint": card.data_fingerprint,
        "labels": list(card.labels),
        "positive_labels": list(card.positive_labels),
        "scores": SCORES,
        "methods": METHODS,
        "test_folds": comparison_as_json(proof.on_test_folds, run)
        | {"patches": patches_as_json(proof.pairs, run, "test, by the network of the patch's own fold")}
        | {"networks": [_fold_as_json(proof, fold) for fold in range(len(proof.folds))]},
        "validation": comparison_as_json(proof.on_validation, run)
        | {"patches": patches_as_json(proof.pairs_on_validation, run, "shipped_role = validation")},
        "table": {"sha256": hashlib.sha256(paired_table(proof).encode()).hexdigest()},
        "calibration": {
            "fitted_on": "validation patches",
            "float": _decision(
                proof.float_card.temperature, proof.float_card.threshold, proof.float_card.review_band
            ),
            "int8": _decision(card.temperature, card.threshold, card.review_band),
        },
        "representative": representative_as_json(proof.int8_model.representative, run),
        "logit_shift": proof.int8_model.network.logit_shift,
        "layers": {
            "measured_on": f"the first {N_LAYER_PATCHES} of representative.patch_ids, or all of fewer",
            "rows": [layer.as_json() for layer in proof.layer_errors],
        },
        "network": _network(proof),
        "golden": None if proof.golden is None else {**asdict(proof.golden)},
        "checks": [check.as_json() for check in proof.checks],
        "notes": list(card.notes),
        "research_use_only": RESEARCH_USE_ONLY,
    }


def _sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _network(proof: Proof) -> dict[str, Json]:
    flatbuffer = proof.int8_model.flatbuffer
    network = read_network(flatbuffer)
    assert network is not None
    return {"n_bytes": len(flatbuffer), "operators": {**network.graph.operators}, **network_as_json(network)}


def _fold_as_json(proof: Proof, fold: int) -> dict[str, Json]:
    """A fold's two networks by their hashes, how each decides, and that no test patch set the ranges."""
    run, model = proof.run, proof.folds[fold]
    file, before = f"{FOLDS}/fold_{fold}.keras", run.calibrations[fold]
    test = set(_hashes(run.patches[run.splits.has_role("test", fold)]))
    return {
        "fold": fold,
        "float_model": {"file": file, "sha256": _sha256_of(run.path / file)},
        "flatbuffer_sha256": hashlib.sha256(model.flatbuffer).hexdigest(),
        "calibration": {
            "float": _decision(before.temperature, before.threshold, before.review_band),
            "int8": _decision(model.card.temperature, model.card.threshold, model.card.review_band),
        },
        "representative": {
            "sha256": model.representative.sha256,
            "n": len(model.representative.patches),
            "n_test_checked": len(test),
            "n_found_among_test": sum(one in test for one in _hashes(model.representative.patches)),
        },
    }


def patches_as_json(pairs: PairedCalls, run: Run, role: str) -> dict[str, Json]:
    """Which patches: their role in splits.csv, and hashes over them in the order of splits.csv.

    ids_sha256: of the ids, one a line, each line ended. pixels_sha256: of the patches' bytes.
    """
    rows = np.sort(pairs.rows)
    ids = "".join(f"{run.patch_ids[row]}\n" for row in rows)
    return {
        "role": role,
        "n": len(rows),
        "ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
        "pixels_sha256": hashlib.sha256(np.ascontiguousarray(run.patches[rows]).tobytes()).hexdigest(),
    }


def representative_as_json(chosen: Representative, run: Run) -> dict[str, Json]:
    """The patches that set the ranges of the shipped network, and that none of them judged it.

    Checked by the hash of the pixels, not by the id: a copy under another id would count as the same.
    """
    by_hash = {digest: row for row, digest in enumerate(_hashes(run.patches))}
    judging = set(_hashes(run.patches[~run.splits.has_role("train", None)]))
    used = _hashes(chosen.patches)
    rows = [by_hash[digest] for digest in used if digest in by_hash]
    return {
        "n": len(chosen.patches),
        "per_label": dict(zip(run.card.labels, chosen.per_label, strict=True)),
        "sha256": chosen.sha256,
        "role": "shipped_role = train",
        "patch_ids": [run.patch_ids[row] for row in rows],
        "n_held_out_checked": len(judging),
        "n_found_among_held_out": sum(digest in judging for digest in used),
    }


def _hashes(patches: U8) -> list[str]:
    return [hashlib.sha256(np.ascontiguousarray(patch).tobytes()).hexdigest() for patch in patches]


def comparison_as_json(comparison: Comparison, run: Run) -> dict[str, Json]:
    """One comparison: agreement, changes, flips and logit error."""
    changes: dict[str, Json] = {change.name: change_as_json(change) for change in comparison.changes}
    flips: list[Json] = [flip_as_json(flip, run) for flip in comparison.flips]
    agreement: dict[str, Json] = {**comparison.agreement.as_json()}
    counts: dict[str, Json] = {**comparison.flip_counts}
    return {
        "what": comparison.what,
        "n": comparison.n,
        "n_groups": comparison.n_groups,
        "agreement": agreement,
        "least_agreement": comparison.least_agreement,
        "lost_positives": _lost_positives_as_json(comparison.lost_positives),
        "changes": changes,
        "flip_counts": counts,
        "flips": flips,
        "largest_logit_error": comparison.largest_logit_error,
        "logit_sqnr_db": comparison.sqnr_db,
        "review_share": {"float": comparison.review_shares[0], "int8": comparison.review_shares[1]},
    }


def change_as_json(change: Change) -> dict[str, Json]:
    """One figure twice and the change between; what the gate made of it where there is one."""
    record: dict[str, Json] = {
        "float": change.float_value,
        "int8": change.int8_value,
        "change": {
            "value": change.change,
            "ci95": list(change.ci95),
            "n": change.n,
            "n_groups": change.n_groups,
        },
    }
    if change.mcnemar_p is not None:
        record["mcnemar"] = {"lost": change.n_lost, "gained": change.n_gained, "p": change.mcnemar_p}
    if change.margin is not None:
        record["gate"] = {
            "margin": change.margin,
            "one_patch": change.resolution,
            "passed": change.passes,
            "margin_supported": change.is_supported,
            "n_flipped": change.n_flipped,
            "n_needed": change.n_needed,
        }
    return record


def _lost_positives_as_json(lost: LostPositives | None) -> dict[str, Json] | None:
    if lost is None:
        return None
    return {
        "n_lost": lost.n_lost,
        "n_float_positive": lost.n,
        "share": lost.share,
        "upper95": lost.upper95,
        "margin": lost.margin,
        "passed": lost.passes,
        "margin_supported": lost.is_supported,
        "n_needed": lost.n_needed,
    }


def flip_as_json(flip: Flip, run: Run) -> dict[str, Json]:
    """One patch whose call changed, with its place in the study."""
    return {
        "patch_id": run.patch_ids[flip.row],
        "source": run.sources[flip.row],
        "group": run.groups[flip.row],
        "label": flip.truth,
        "float_call": flip.float_call,
        "int8_call": flip.int8_call,
        "float_p": flip.float_p,
        "int8_p": flip.int8_p,
    }


def _decision(temperature: float, threshold: float | None, band: Sequence[float] | None) -> dict[str, Json]:
    return {
        "temperature": temperature,
        "threshold": threshold,
        "review_band": None if band is None else list(band),
    }
