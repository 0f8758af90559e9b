"""The service's side of its metrics: a snapshot every few seconds, where prometheus_client is installed.

Without the extra `fleet` the service runs as it always did, and nothing is written.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alledge.card import Card
from alledge.errors import StorageFailed
from alledge.journal.head_file import read_head
from alledge.service.loop import Station
from alledge.service.room import disk_free_bytes
from alledge.service.troubles import Trouble
from alledge.telemetry.cursor import read_cursor
from alledge.telemetry.names import METRICS_FILE
from alledge.types import ModelIdentity

if TYPE_CHECKING:
    from alledge.telemetry.metrics import Snapshot

REPORT_EVERY_NS: Final = 5_000_000_000
"""A third of Prometheus's usual 15 s: no scrape sees the same figures twice."""


@dataclass(slots=True)
class MetricsReporter:
    """Writes the metrics of a station into the runtime folder; see `tend`."""

    station: Station
    model: ModelIdentity
    card: Card
    journal: Path
    runtime: Path
    now_ns: Callable[[], int]
    _due_ns: int = 0
    _n_reports: int = 0
    _is_installed: bool = importlib.util.find_spec("prometheus_client") is not None

    def tend(self) -> None:
        """Write when it is time; a file that cannot be written is a trouble, not an end."""
        now_ns = self.now_ns()
        if not self._is_installed or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + REPORT_EVERY_NS
        from alledge.telemetry.metrics import write_metrics

        try:
            write_metrics(self._snapshot(), self.runtime / METRICS_FILE)
        except StorageFailed as error:
            self.station.troubles.set("metrics", Trouble.of(error), now_ns)
        else:
            self.station.troubles.set("metrics", None, now_ns)
            self._n_reports += 1

    def _snapshot(self) -> "Snapshot":
        from alledge.telemetry.metrics import Snapshot

        station = self.station
        return Snapshot(
            ledger=station.ledger.state(),
            tally=station.tally,
            labels=self.card.labels,
            model=self.model,
            troubles=[trouble.code for trouble, _ in station.troubles.active],
            is_paused=station.is_paused,
            health=station.health(),
            n_reports=self._n_reports,
            disk_free_bytes=disk_free_bytes(self.journal.parent),
            journal_bytes=journal_bytes(self.journal),
            n_unsent=n_unsent(self.journal),
        )


def journal_bytes(journal: Path) -> int | None:
    """Bytes of the journal and of its log; None when they cannot be asked."""
    try:
        log = journal.with_name(f"{journal.name}-wal")
        return journal.stat().st_size + (log.stat().st_size if log.exists() else 0)
    except OSError:
        return None


def n_unsent(journal: Path) -> int | None:
    """Events that no broker has taken; None when nothing was ever published from here."""
    try:
        head, cursor = read_head(journal), read_cursor(journal.parent)
    except (OSError, StorageFailed):
        return None
    return None if head is None or cursor is None else max(head.count - cursor.number, 0)
