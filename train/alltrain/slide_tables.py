"""The slides of a study as other programs and people read them: JSON, CSV, and a line of words each."""

from typing import Final

from alledge.strict_json import Json
from alltrain.figures import Figure
from alltrain.slides import RELEVANT_SHARE, Slide, Slides


def slides_as_json(slides: Slides) -> dict[str, Json]:
    """The slides as metrics.json holds them under "slides"."""
    rows: list[Json] = [
        {
            "group": slide.group,
            "cells": slide.n_cells,
            "fields": slide.n_fields,
            "effective_cells": round(slide.n_effective, 1),
            "positive_calls": slide.n_positive_calls,
            "review": slide.n_review,
            "positive_cells": slide.n_positive_cells,
            "share": slide.share.as_json(),
            "false_alarms_elsewhere": slide.false_alarms.as_json(),
            "blast_share": slide.blast_share.as_json(),
            "chance_without_blasts": round(slide.chance, 6),
            "call": str(slide.call),
            "why": slide.why,
            "truth": slide.truth,
        }
        for slide in slides.slides
    ]
    notes: list[Json] = [*slides.notes]
    return {
        **{name: figure.as_json() for name, figure in slides.figures.items()},
        "slides": rows,
        "relevant_share": RELEVANT_SHARE,
        "notes": notes,
    }


HEADER: Final = (
    "group", "cells", "fields", "effective_cells", "positive_calls", "review", "share", "share_low",
    "share_high", "false_alarms_elsewhere", "false_alarms_low", "false_alarms_high", "groups_elsewhere",
    "blast_share", "blast_share_low", "blast_share_high", "chance_without_blasts", "call", "why", "truth",
)  # fmt: skip


def slides_table(slides: Slides) -> list[list[str | int | float]]:
    """slides.csv: one row a group under `HEADER`."""
    return [
        [
            slide.group,
            slide.n_cells,
            slide.n_fields,
            f"{slide.n_effective:.1f}",
            slide.n_positive_calls,
            slide.n_review,
            *_columns(slide.share),
            *_columns(slide.false_alarms),
            slide.false_alarms.n_groups,
            *_columns(slide.blast_share),
            f"{slide.chance:.6f}",
            str(slide.call),
            slide.why,
            "positive" if slide.truth else "negative",
        ]
        for slide in slides.slides
    ]


def _columns(figure: Figure) -> tuple[str, ...]:
    return tuple(f"{number:.6f}" for number in (figure.value or 0.0, *(figure.ci95 or (0.0, 1.0))))


def in_words(slide: Slide) -> str:
    """slide03: blasts seen; 41 of 60 cells called positive (95 % 0.55 to 0.80), elsewhere 0.08 of others."""
    ends = slide.share.ci95 or (0.0, 1.0)
    elsewhere = f"{slide.false_alarms.value:.2f}" if slide.false_alarms.value is not None else "unknown"
    why = f" ({slide.why})" if slide.why else ""
    return (
        f"{slide.group}: {slide.call}{why}; {slide.n_positive_calls} of {slide.n_cells} cells called positive"
        f" (95 % {ends[0]:.2f} to {ends[1]:.2f}), false alarms elsewhere {elsewhere}"
    )
