"""A slide's report for programs: JSON with the names of the differential, and CSV with a line a cell.

Shares are from 0 to 1, to six decimals: finer than any of them is known, and the same on every machine.
"""

import csv
import io
import json
from typing import Final

from alledge.differential import Differential, Share, differential_to_dict
from alledge.journal.plain import to_plain
from alledge.report.contents import RESEARCH_WORDS, LabelCount, Origin, ShownCell, SlideReport
from alledge.report.tally import MEASURES, counted_label
from alledge.review import ReviewedCell
from alledge.strict_json import Json

_DECIMALS: Final = 6
_CELL_COLUMNS: Final = (
    "slide", "slide_id", "field_id", "position", "cell_id", "counted_as",
    "model_label", "model_p", "model_review", "review_reason",
    "person_label", "person", "person_time", "amended_label", "amended_by", *MEASURES,
    "slide_x_um", "slide_y_um", "patch_sha256", "research_use_only",
)  # fmt: skip


def report_to_json(report: SlideReport) -> bytes:
    """The report as JSON, UTF-8; names are a contract with scripts elsewhere: add, never rename."""
    return (json.dumps(report_to_dict(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def report_to_dict(report: SlideReport) -> dict[str, Json]:
    """The report as plain values."""
    slide, head = report.slide, report.as_of
    counts: list[Json] = [_count(count) for count in report.counts]
    refused: dict[str, Json] = {verdict.value: n for verdict, n in report.ledger.refused.items()}
    return {
        "slide": slide.identifier,
        "slide_id": slide.slide_id,
        "started": to_plain(slide.started),
        "ended": to_plain(slide.ended),
        "signed_off": to_plain(report.signed),
        "withdrawals": to_plain(report.withdrawals),
        "cells": report.n_cells,
        "no_cell": report.n_excluded,
        "waiting": report.n_open,
        "labels": counts,
        "differential": _differential(report.told),
        "amended_differential": _differential(report.amended),
        "amendments": to_plain(report.amendments),
        "overrides": [_override(shown) for shown in report.words.overridden],
        "confirmed": dict(report.words.confirmed),
        "fields": {"all": report.ledger.n_fields, "judged": report.ledger.n_judged, "refused": refused},
        "troubles": dict(report.ledger.troubles),
        "morphology": [
            {"label": group.label, "n": group.n, **_rounded(to_plain(group.measures))}
            for group in report.morphology
        ],
        "origin": _origin(report.origin),
        "journal": {"id": report.journal_id, "event": head.count, "hash": head.hash},
        "as_of": to_plain(report.as_of_wall),
        "research_use_only": True,
        "use": RESEARCH_WORDS,
    }


def _count(count: LabelCount) -> dict[str, Json]:
    return {
        "label": count.label,
        "positive": count.is_positive,
        "n": count.n,
        "by_model": count.n_by_model,
        "by_person": count.n_by_person,
        "model_alone": count.n_likeliest,
        "share": share_to_dict(count.share),
    }


def share_to_dict(share: Share | None) -> dict[str, Json] | None:
    """A share with its interval, rounded."""
    if share is None:
        return None
    return _rounded({"value": share.value, "ci95": list(share.ci95)})


def _differential(told: Differential | None) -> Json:
    return None if told is None else _rounded(differential_to_dict(told))


def _rounded(value: Json) -> dict[str, Json]:
    """The same object with every number that is not whole rounded."""
    told = _round(value)
    assert isinstance(told, dict)
    return told


def _round(value: Json) -> Json:
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {name: _round(item) for name, item in value.items()}
    return [_round(item) for item in value] if isinstance(value, list) else value


def _override(shown: ShownCell) -> dict[str, Json]:
    cell, opinion = shown.cell, shown.cell.opinion
    assert opinion is not None
    return {
        "field_id": cell.field_id,
        "position": cell.position,
        "from": None if cell.call is None else cell.call.label,
        "model_review": cell.call is not None and cell.call.review,
        "to": opinion.label,
        "who": opinion.who,
        "time": opinion.wall.iso,
        "event": opinion.event,
        "patch_sha256": cell.patch_sha256,
    }


def _origin(origin: Origin) -> dict[str, Json]:
    models: list[Json] = [
        {"name": use.name, "sha256": use.sha256, "fields": use.n_fields} for use in origin.models
    ]
    calibrations: list[Json] = [
        {"sha256": use.sha256, "fields": use.n_fields, "facts": to_plain(use.facts)}
        for use in origin.calibrations
    ]
    return {
        "models": models,
        "calibrations": calibrations,
        "software": dict(origin.software),
        "clock": {trust.value: n for trust, n in origin.clock.items()},
        "pixel_sizes": to_plain(origin.pixel_sizes),
        "phantom": origin.is_phantom,
        "notes": list(origin.notes),
    }


def report_to_csv(report: SlideReport) -> bytes:
    """Every counted cell of the slide on a line, UTF-8 with a head; no text that a spreadsheet would run."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(_CELL_COLUMNS)
    for cell in report.cells:
        writer.writerow([_safe(value) for value in _cell(report, cell)])
    return table.getvalue().encode()


def _cell(report: SlideReport, cell: ReviewedCell) -> list[object]:
    call, opinion, sighting, amendment = cell.call, cell.opinion, cell.sighting, cell.amendment
    return [
        report.slide.identifier,
        report.slide.slide_id,
        cell.field_id,
        cell.position,
        "" if sighting is None else sighting.cell_id,
        counted_label(cell) or "",
        "" if call is None else call.label,
        "" if call is None else f"{call.p.get(call.label, 0.0):.4f}",
        "" if call is None else int(call.review),
        "" if call is None else call.reason or "",
        "" if opinion is None else opinion.label or "no cell",
        "" if opinion is None else opinion.who,
        "" if opinion is None else opinion.wall.iso,
        "" if amendment is None else amendment.label or "no cell",
        "" if amendment is None else amendment.who,
        *(f"{getattr(cell.cell, name):.4f}" for name in MEASURES),
        "" if sighting is None else f"{sighting.x_um:.2f}",
        "" if sighting is None else f"{sighting.y_um:.2f}",
        cell.patch_sha256,
        RESEARCH_WORDS,
    ]


def _safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection)."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
