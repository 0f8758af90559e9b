"""The service's counts in Prometheus's words, as a file that node_exporter or `alledge metrics` hands on.

The service has no network (its unit takes it away), so it writes a file in memory, replaced in one step. What
the file says comes from the same ledger and board as the status: nothing is counted twice, and

    captured = analysed + sum of dropped + in flight,   analysed = sum over verdicts = count of latencies

hold in every file. prometheus_client is imported only here and only when asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from alledge import __version__
from alledge.durable import write_unflushed
from alledge.health import Health
from alledge.service.ledger import DropReason, LedgerState
from alledge.telemetry.tally import LATENCY_BOUNDS_S, SEEN, Mean, Tally
from alledge.types import ModelIdentity, Verdict


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The service at one instant.

    labels: all that the model can call. troubles: codes that are active. n_reports: files written before this
    one; it stands still when the service does, whatever the clocks say. disk_free_bytes, journal_bytes: None
    where it cannot be asked. n_unsent: events of the journal that no broker has; None when nobody publishes.
    """

    ledger: LedgerState
    tally: Tally
    labels: Sequence[str]
    model: ModelIdentity
    troubles: Sequence[str]
    is_paused: bool
    health: Health
    n_reports: int
    disk_free_bytes: int | None = None
    journal_bytes: int | None = None
    n_unsent: int | None = None


def exposition(snapshot: Snapshot) -> bytes:
    """The snapshot in Prometheus's text format, UTF-8."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OneSnapshot(snapshot))
    return generate_latest(registry)


def write_metrics(snapshot: Snapshot, file: Path) -> None:
    """Replace the file in one step. Raises StorageFailed; then the old one stays."""
    write_unflushed(file, exposition(snapshot))


class _OneSnapshot(Collector):
    """Gives the metrics of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """All metrics, in the order in which docs/telemetry.md lists them."""
        yield from _frames(self._snapshot.ledger)
        yield from _fields(self._snapshot.tally)
        yield from _cells(self._snapshot.tally, self._snapshot.labels)
        yield from _light(self._snapshot.tally)
        yield from _machine(self._snapshot)
        yield from _service(self._snapshot)


def _frames(ledger: LedgerState) -> Iterator[Metric]:
    yield _count("allscope_frames_captured", "Frames that the camera handed over.", ledger.captured)
    yield _count("allscope_frames_analysed", "Frames whose result is stored.", ledger.analysed)
    yield _count("allscope_frames_refused", "Of the analysed, those without calls.", ledger.refused)
    dropped = CounterMetricFamily(
        "allscope_frames_dropped", "Frames without a result, by reason.", labels=["reason"]
    )
    for reason in DropReason:  # all, at 0 as well: else the first of a kind is no increase
        dropped.add_metric([reason.value], ledger.dropped.get(reason, 0))
    yield dropped
    yield GaugeMetricFamily("allscope_frames_in_flight", "Frames not settled yet.", ledger.in_flight)


def _fields(tally: Tally) -> Iterator[Metric]:
    fields = CounterMetricFamily(
        "allscope_fields", "Fields stored, by verdict of quality.", labels=["verdict"]
    )
    for verdict in Verdict:
        fields.add_metric([verdict.value], tally.verdicts[verdict])
    yield fields
    latency = HistogramMetricFamily("allscope_sensor_to_stored_seconds", "From exposure to stored result.")
    n, buckets = 0, []
    for bound, count in zip((*LATENCY_BOUNDS_S, "+Inf"), tally.latency_counts, strict=True):
        n += count
        buckets.append((str(bound), float(n)))
    latency.add_metric([], buckets, tally.latency_sum_s)
    yield latency


def _cells(tally: Tally, labels: Sequence[str]) -> Iterator[Metric]:
    cells = CounterMetricFamily("allscope_cells", "Cells found, by how they were met.", labels=["seen"])
    for how in SEEN:
        cells.add_metric([how], tally.seen[how])
    yield cells
    calls = CounterMetricFamily(
        "allscope_calls", "Calls of cells at first sight, by label.", labels=["label", "review"]
    )
    for label in labels:
        for review in (False, True):
            calls.add_metric([label, str(review).lower()], tally.calls[label, review])
    yield calls


def _light(tally: Tally) -> Iterator[Metric]:
    for name, what, mean in (
        ("focus", "Focus of good fields.", tally.focus),
        ("brightness", "Brightness of good fields, 0 to 1.", tally.brightness),
        ("plasma_red_share", "Red of the light through plasma, 1/3 is neutral.", tally.red_share),
        ("plasma_blue_share", "Blue of the light through plasma, 1/3 is neutral.", tally.blue_share),
    ):
        yield from _mean(f"allscope_{name}", what, mean)


def _machine(now: Snapshot) -> Iterator[Metric]:
    known = (
        ("allscope_temperature_celsius", "Of the processor.", now.health.temperature_c),
        ("allscope_under_voltage", "1 while the supply is too weak.", now.health.under_voltage),
        ("allscope_disk_free_bytes", "Left for the data folder.", now.disk_free_bytes),
        ("allscope_journal_bytes", "The journal with its log.", now.journal_bytes),
        ("allscope_outbox_events", "Events of the journal that no broker has taken.", now.n_unsent),
    )
    for name, what, value in known:
        if value is not None:  # what is not known is left out, never 0
            yield GaugeMetricFamily(name, what, float(value))


def _service(now: Snapshot) -> Iterator[Metric]:
    troubles = GaugeMetricFamily("allscope_trouble", "1 for each trouble that lasts.", labels=["code"])
    for code in sorted(set(now.troubles)):
        troubles.add_metric([code], 1)
    yield troubles
    yield GaugeMetricFamily("allscope_paused", "1 while a person has paused it.", now.is_paused)
    yield _count("allscope_reports", "Times that these figures were written.", now.n_reports)
    about = InfoMetricFamily("allscope_serving", "What serves; research use only.")
    about.add_metric(
        [],
        {"model": now.model.name, "model_sha256": now.model.sha256, "software": __version__},
    )
    yield about


def _count(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(name, what, value)


def _mean(name: str, what: str, mean: Mean) -> Iterator[Metric]:
    """Sum and number, for the mean over any window, and the last value."""
    yield SummaryMetricFamily(f"{name}_of_fields", what, count_value=mean.n, sum_value=mean.total)
    if mean.last is not None:
        yield GaugeMetricFamily(name, f"{what[:-1]}: the last.", mean.last)
