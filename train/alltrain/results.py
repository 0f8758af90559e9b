"""What a finished fit writes: cards, tables, audit, report, and last of all the figures.

The order matters: metrics.json marks a run as finished (see run_folder).
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from alledge.card import Card
from alledge.strict_json import Json
from alltrain import run_folder, slide_tables
from alltrain.audit.audit import LEAK_MARK
from alltrain.datasets.dataset import PatchSet
from alltrain.examination import Examination
from alltrain.fold_models import FittedModel
from alltrain.intervals import wilson_interval
from alltrain.judged_again import Again
from alltrain.judging import OutOfFold, Verdict, part_as_json, verdict_as_json
from alltrain.metrics import Figure
from alltrain.model_card import ModelCard, model_card
from alltrain.morphology_table import morphology_columns
from alltrain.plan import Plan


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Everything known when all models are fitted and judged.

    notes: what every reader must know. provenance: content of provenance.json.
    """

    patch_set: PatchSet
    plan: Plan
    config: dict[str, Json]
    notes: tuple[str, ...]
    folds: tuple[FittedModel, ...]
    shipped: FittedModel
    out_of_fold: OutOfFold
    verdict: Verdict
    examination: Examination
    provenance: dict[str, Json]
    again: Again = field(default_factory=Again)

    @property
    def mark(self) -> str | None:
        """What every output must carry, when the study was fitted in spite of a proven leak."""
        audit = self.examination.audit
        return LEAK_MARK if audit is not None and audit.is_leaky else None


def write_results(out: Path, results: Results) -> None:
    """Write cards, tables, audit.json, report.html and metrics.json. Raises StorageFailed."""
    from alltrain.report import render_report  # matplotlib takes a second to load

    metrics = metrics_as_json(results)
    checked = _model_card(results, metrics)
    run_folder.write_text(out / run_folder.CARD, shipped_card(results).to_json())
    _write_predictions(out, results)
    _write_slides(out, results)
    if results.examination.audit is not None:
        run_folder.write_json(out / run_folder.AUDIT, results.examination.audit.as_json())
    run_folder.write_text(out / run_folder.MODEL_CARD, checked.as_markdown())
    run_folder.write_text(out / run_folder.REPORT, render_report(results, checked))
    run_folder.write_json(out / run_folder.METRICS, metrics)


def _model_card(results: Results, metrics: dict[str, Json]) -> ModelCard:
    """The checklists, told also what the examination found."""
    told = {}
    if results.examination.support is not None:
        told["robustness"] = results.examination.support.sentence
    if results.examination.seen is not None:
        told["explainability"] = results.examination.seen.attention.sentence
    return model_card(
        results.config, metrics, results.provenance, results.notes, told, results.shipped.card.name
    )


def shipped_card(results: Results) -> Card:
    """The card of model.keras; its figures are those of the folds, the only ones on unseen patches."""
    figures: dict[str, Json] = {name: figure.as_json() for name, figure in results.verdict.figures.items()}
    return replace(results.shipped.card, metrics=figures, notes=results.notes)


def _write_predictions(out: Path, results: Results) -> None:
    """predictions.csv: one row a patch, judged by the model that held it out."""
    patch_set, judged = results.patch_set, results.out_of_fold
    names = patch_set.label_names
    measures, measured = morphology_columns(patch_set)
    header = ["patch_id", "source", "group", "label", "fold"]
    header += [f"p_{name}" for name in names] + [f"logit_{name}" for name in names]
    header += ["call", "review", *measures, *_mark_column(results)]
    rows = [
        [
            patch_set.patch_ids[index],
            patch_set.sources[index],
            patch_set.groups[index],
            names[patch_set.labels[index]],
            int(results.plan.splits.fold[index]),
            *(f"{call.p[name]:.6f}" for name in names),
            *(f"{logit:.6f}" for logit in judged.logits[index]),
            call.label,
            call.reason or "",
            *measured[index],
            *_mark_cell(results),
        ]
        for index, call in enumerate(judged.calls)
    ]
    run_folder.write_csv(out / run_folder.PREDICTIONS, header, rows)


def _write_slides(out: Path, results: Results) -> None:
    """slides.csv: one row a group, its cells pooled into a call; no file without a positive label."""
    if results.examination.slides is None:
        return
    header = [*slide_tables.HEADER, *_mark_column(results)]
    table = slide_tables.slides_table(results.examination.slides)
    run_folder.write_csv(out / run_folder.SLIDES, header, [[*row, *_mark_cell(results)] for row in table])


def _mark_column(results: Results) -> tuple[str, ...]:
    """A column for the mark, in a table of a marked run only."""
    return () if results.mark is None else ("mark",)


def _mark_cell(results: Results) -> tuple[str, ...]:
    return () if results.mark is None else (results.mark,)


def metrics_as_json(results: Results) -> dict[str, Json]:
    """metrics.json: every figure by name, then folds, groups, the confusion matrix and the notes."""
    patch_set, units = results.patch_set, results.plan.validation_units
    content = verdict_as_json(results.verdict, patch_set.label_names)
    folds: list[Json] = [
        part_as_json(part, "fold", patch_set.label_names) | _model_as_json(model, unit)
        for part, model, unit in zip(results.verdict.by_fold, results.folds, units[:-1], strict=True)
    ]
    shipped = _model_as_json(results.shipped, units[-1])
    shipped["validation_accuracy"] = _validation_accuracy(results).as_json()
    notes: list[Json] = [*results.notes]
    return {
        **content,
        "mark": results.mark,
        **results.examination.as_json(),
        **results.again.as_json(),
        "folds": folds,
        "shipped": shipped,
        "n_parameters": results.config["n_parameters"],
        "n_macs": results.config["n_macs"],
        "fingerprint": results.config["fingerprint"],
        "layout": patch_set.layout,
        "grouped": patch_set.grouped,
        "is_phantom": patch_set.is_phantom,
        "notes": notes,
        "research_use_only": True,
    }


def _model_as_json(model: FittedModel, validation_unit: str) -> dict[str, Json]:
    calibration = model.calibration
    band = calibration.review_band
    return {
        "epochs": len(model.course.epochs),
        "best_epoch": model.course.best_epoch + 1,
        "validation_unit": validation_unit,
        "calibration": {
            "temperature": calibration.temperature,
            "threshold": calibration.threshold,
            "review_band": None if band is None else [*band],
        },
    }


def _validation_accuracy(results: Results) -> Figure:
    """Of the shipped model, by its largest logit, on patches that no gradient saw but stopping did."""
    validates = results.plan.splits.has_role("validation", None)
    labels = results.patch_set.labels[validates]
    right = int((results.shipped.course.logits[validates].argmax(axis=1) == labels).sum())
    groups = {group for group, held in zip(results.patch_set.groups, validates, strict=True) if held}
    return Figure(right / labels.size, wilson_interval(right, labels.size), labels.size, len(groups))
