"""fidelity.json: the proof in figures, for programs and for whoever recomputes it.

Every figure has its interval, the patches and the groups it rests on, as in metrics.json.
"""

from dataclasses import asdict

from allconvert.fidelity import Change, Comparison, Flip
from allconvert.lost_positives import LostPositives
from allconvert.quantise import Proof
from alledge import RESEARCH_USE_ONLY
from alledge.strict_json import Json
from alltrain.run_folder import Run


def proof_as_json(proof: Proof, sha256: str | None) -> dict[str, Json]:
    """The proof as fidelity.json holds it. sha256: of the model file, None when it was refused."""
    card, audit, chosen = proof.int8_model.card, proof.int8_model.audit, proof.int8_model.representative
    return {
        "verdict": "refused" if proof.objections else "accepted",
        "objections": list(proof.objections),
        "margins": asdict(proof.margins),
        "model_sha256": sha256,
        "data_fingerprint": card.data_fingerprint,
        "labels": list(card.labels),
        "positive_labels": list(card.positive_labels),
        "test_folds": comparison_as_json(proof.on_test_folds, proof.run),
        "validation": comparison_as_json(proof.on_validation, proof.run),
        "calibration": {
            "float": _decision(
                proof.float_card.temperature, proof.float_card.threshold, proof.float_card.review_band
            ),
            "int8": _decision(card.temperature, card.threshold, card.review_band),
        },
        "representative": {
            "n": len(chosen.patches),
            "per_label": dict(zip(card.labels, chosen.per_label, strict=True)),
            "sha256": chosen.sha256,
        },
        "audit": {
            "precision": audit.precision,
            "n_bytes": audit.n_bytes,
            "weight_bytes": audit.n_weight_bytes,
            "largest_activation_bytes": audit.largest_activation_bytes,
            "operators": dict(audit.operators),
        },
        "golden": None if proof.golden is None else {**asdict(proof.golden)},
        "checks": [check.as_json() for check in proof.checks],
        "notes": list(card.notes),
        "research_use_only": RESEARCH_USE_ONLY,
    }


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


def _decision(
    temperature: float, threshold: float | None, band: tuple[float, float] | None
) -> dict[str, Json]:
    return {
        "temperature": temperature,
        "threshold": threshold,
        "review_band": None if band is None else list(band),
    }
