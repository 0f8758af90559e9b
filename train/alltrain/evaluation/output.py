"""The folder of an evaluation, written whole: it is there with everything in it, or not at all.

evaluation.json  what was judged on what    metrics.json     every figure
predictions.csv  every cell                 slides.csv       every group, where groups are known
report.html      the same for eyes
"""

import json
from pathlib import Path
from typing import Final

from alledge.durable import write_folder_whole
from alledge.errors import PathUnusable
from alledge.familiarity import familiarity_distances
from alledge.strict_json import Json
from alltrain import slide_tables
from alltrain.evaluation.judging import Evaluation
from alltrain.judging import part_as_json
from alltrain.run_folder import METRICS, PREDICTIONS, REPORT, write_csv, write_json, write_text

MARKER: Final = "evaluation.json"
SLIDES: Final = "slides.csv"
_DIGITS_OF_FINGERPRINT: Final = 8


def folder_for(run: Path, data: Path, data_fingerprint: str) -> Path:
    """RUN/evaluations/NAME, by the name of the data; with their fingerprint where other data have it."""
    folder = run / "evaluations" / (data.resolve().name or "data")
    if not folder.exists() or _is_of(folder, data_fingerprint):
        return folder
    return folder.with_name(f"{folder.name}-{data_fingerprint[:_DIGITS_OF_FINGERPRINT]}")


def _is_of(folder: Path, data_fingerprint: str) -> bool:
    """Whether an evaluation of these data lies there."""
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("data_fingerprint") == data_fingerprint


def refuse_taken(out: Path) -> None:
    """Raise PathUnusable, before any work, when `out` holds something that is no evaluation."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file()):
        raise PathUnusable(f"{out} holds something that is no evaluation.", "Name a new folder.")


def write_evaluation(out: Path, evaluation: Evaluation) -> None:
    """Write the folder; an earlier evaluation there is replaced. Raises PathUnusable, StorageFailed."""
    from alltrain.evaluation.page import render_evaluation  # matplotlib takes a second to load

    with write_folder_whole(out, MARKER) as folder:
        write_json(folder / MARKER, facts_as_json(evaluation))
        write_json(folder / METRICS, metrics_as_json(evaluation))
        _write_predictions(folder / PREDICTIONS, evaluation)
        if evaluation.slides is not None:
            write_csv(folder / SLIDES, slide_tables.HEADER, slide_tables.slides_table(evaluation.slides))
        write_text(folder / REPORT, render_evaluation(evaluation))


def facts_as_json(evaluation: Evaluation) -> dict[str, Json]:
    """evaluation.json: which model, which data, and how they met."""
    card, matching, truth = evaluation.run.card, evaluation.matching, evaluation.truth
    band = card.review_band
    labels: dict[str, Json] = {name: evaluation.data_labels.count(name) for name in evaluation.data_names}
    return {
        "run": evaluation.run.path.name,
        "model": card.name,
        "model_fingerprint": card.data_fingerprint,
        "data": evaluation.data.name,
        "data_fingerprint": evaluation.data_fingerprint,
        "layout": truth.layout,
        "grouped": truth.grouped,
        "is_phantom": truth.is_phantom,
        "labels": labels,
        "judged_labels": [*matching.label_names],
        "matched_by": "name" if matching.by_name else "side",
        "temperature": card.temperature,
        "threshold": card.threshold,
        "review_band": None if band is None else [*band],
        "seen": evaluation.seen.as_json(),
        "research_use_only": True,
    }


def metrics_as_json(evaluation: Evaluation) -> dict[str, Json]:
    """metrics.json: every figure by name as in a RUN, then groups, slides, shift and what was seen."""
    names = evaluation.matching.label_names
    slides, shift = evaluation.slides, evaluation.shift
    groups: list[Json] = [part_as_json(part, "group", names) for part in evaluation.by_group]
    rows: list[Json] = [list[Json](row) for row in evaluation.confusion]
    notes: list[Json] = [*evaluation.notes]
    return {
        **{name: figure.as_json() for name, figure in evaluation.figures.items()},
        "confusion": {"labels": [*names], "rows_are_truth": rows},
        "groups": groups,
        "slides": None if slides is None else slide_tables.slides_as_json(slides),
        "shift": None if shift is None else shift.as_json(),
        "seen": evaluation.seen.as_json(),
        "out_of_fold": dict(evaluation.out_of_fold),
        "grouped": evaluation.truth.grouped,
        "is_phantom": evaluation.truth.is_phantom or evaluation.run.card.phantom,
        "fingerprint": evaluation.data_fingerprint,
        "notes": notes,
        "research_use_only": True,
    }


def _write_predictions(file: Path, evaluation: Evaluation) -> None:
    """predictions.csv: one row a cell; `label` as the data name it, `truth` and `call` as judged."""
    truth, judged = evaluation.truth, evaluation.judged
    names, model_names = evaluation.matching.label_names, evaluation.run.card.labels
    header = ["patch_id", "source", "group", "label", "truth"]
    header += [f"p_{name}" for name in names] + [f"logit_{name}" for name in model_names]
    header += ["call", "review", "distance"]
    familiarity = evaluation.run.card.familiarity
    far = None if familiarity is None else familiarity_distances(truth.patches, familiarity)
    rows = [
        [
            truth.patch_ids[index],
            truth.sources[index],
            truth.groups[index],
            evaluation.data_labels[index],
            names[truth.labels[index]],
            *(f"{call.p[name]:.6f}" for name in names),
            *(f"{logit:.6f}" for logit in judged.logits[index]),
            call.label,
            call.reason or "",
            "" if far is None else f"{far[index]:.3f}",
        ]
        for index, call in enumerate(judged.calls)
    ]
    write_csv(file, header, rows)
