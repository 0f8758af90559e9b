"""What the service says of itself, as plain JSON: the status file, the control socket and the page read it.

Only durable results appear in it. The file is replaced in one step and not flushed: it lies in memory
(/run) and means nothing after a power cut.
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from alledge import RESEARCH_USE_ONLY, __version__
from alledge.card import Card
from alledge.clock import Clock
from alledge.differential import differential_to_dict
from alledge.durable import write_unflushed
from alledge.field_json import field_counts
from alledge.service.loop import Station
from alledge.strict_json import Json
from alledge.types import ModelIdentity


def status_of(
    station: Station, model: ModelIdentity, card: Card, target_cells: int, clock: Clock
) -> dict[str, Json]:
    """The state of the service in words and numbers."""
    ledger = station.ledger.state()
    now_ns, wall = clock.monotonic_ns(), clock.wall()
    return {
        "state": _state(station),
        "wall": {"iso": wall.iso, "trust": wall.trust.value},
        "ledger": {
            "captured": ledger.captured,
            "analysed": ledger.analysed,
            "refused": ledger.refused,
            "dropped": {reason.value: n for reason, n in ledger.dropped.items()},
            "in_flight": ledger.in_flight,
        },
        "troubles": [
            {"code": t.code, "what": t.what, "next": t.next_step, "for_s": round((now_ns - since) / 1e9, 1)}
            for t, since in station.troubles.active
        ],
        "slide": _slide(station, card, target_cells),
        "last_field": _last_field(station),
        "latency_ms": _latencies(station.published.latencies_ms),
        "model": {"name": model.name, "sha256": model.sha256},
        "software_version": __version__,
        "research_use_only": RESEARCH_USE_ONLY,
    }


def write_status(status: dict[str, Json], file: Path) -> None:
    """Replace the status file in one step. Raises StorageFailed; then the old one stays."""
    text = json.dumps(status, ensure_ascii=False, allow_nan=False) + "\n"
    write_unflushed(file, text.encode())


def _state(station: Station) -> str:
    if station.is_stopping:
        return "stopping"
    if station.is_between_slides:
        return "between-slides"
    if station.is_paused:
        return "paused"
    if station.troubles.active:
        return "troubled"
    return "finished" if station.is_finished else "running"


def _slide(station: Station, card: Card, target_cells: int) -> dict[str, Json]:
    slide = station.slide
    told = differential_to_dict(slide.differential(card, target_cells))
    about = {"identifier": slide.identifier, "number": slide.number, "fields": slide.n_fields}
    return {**about, "is_ended": station.is_between_slides, **told}


def _last_field(station: Station) -> Json:
    result = station.published.result
    if result is None:
        return None
    return {
        "number": station.published.field_number,
        "source": result.source,
        "verdict": result.quality.verdict.value,
        "advice": result.quality.advice,
        "counts": dict(field_counts(result)),
    }


def _latencies(latencies_ms: Sequence[float]) -> Json:
    """Median and 99th percentile from exposure to stored result, over the last fields."""
    if len(latencies_ms) < 2:
        return None
    hundredths = statistics.quantiles(latencies_ms, n=100, method="inclusive")
    return {"p50": round(hundredths[49], 1), "p99": round(hundredths[98], 1), "n": len(latencies_ms)}
