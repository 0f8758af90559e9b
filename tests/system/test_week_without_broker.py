"""A week without a broker, and then all at once, through kills of publisher and broker: nothing is lost.

A busy week is taken to be 8 hours on 5 days with a field every 2 s: 72,000 fields. ALLSCOPE_WEEK_FIELDS says
how many; 1,200 unless told, which a broker takes in seconds. Figures go to the error stream (`pytest -s`).
"""

import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("paho", reason="the extra `fleet` is not installed")

from alledge.clock import SystemClock
from alledge.journal.reading import JournalReader
from alledge.journal.store import open_journal
from alledge.telemetry.reporting import n_unsent
from tests.edge.journal.made import WALL, field_record
from tests.system.mosquitto import Collector, Mosquitto, wait_until
from tests.system.processes import BIN

N_FIELDS = int(os.environ.get("ALLSCOPE_WEEK_FIELDS", "1200"))
N_SLIDES = 20
PLAIN = np.full((50, 50, 3), 200, np.uint8)
"""One patch for all cells: pictures stay on the device, and making them is not what takes its time here."""


def journal_of_a_week(folder: Path) -> Path:
    """The journal of a week, by the code that the service stores it with; each field is flushed as there."""
    journal = open_journal(folder / "journal.sqlite3", SystemClock())
    made = field_record(0, n_cells=2)
    cells = tuple(replace(cell, patch=PLAIN) for cell in made.cells)
    for slide in range(N_SLIDES):
        slide_id = journal.start_slide(f"S-{slide}", WALL)
        for number in range(N_FIELDS // N_SLIDES):
            sequence = slide * (N_FIELDS // N_SLIDES) + number
            journal.append_field(slide_id, replace(made, sequence=sequence, cells=cells))
        journal.end_slide(slide_id, WALL)
    journal.close()
    return journal.path


@dataclass
class Publisher:
    """`alledge publish` as it is started again and again; remembers the most memory that one of them took."""

    settings: Path
    n_kills: int = 0
    most_mib: float = 0.0
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    def begin(self) -> None:
        command = [str(BIN / "alledge"), "publish", "--config", str(self.settings)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def measure(self) -> None:
        assert self.process is not None
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        peak_kib = [int(line.split()[1]) for line in told.splitlines() if line.startswith("VmHWM")]
        self.most_mib = max([self.most_mib, *(kib / 1024 for kib in peak_kib)])

    def kill(self) -> None:
        if self.process is not None:
            self.measure()
            self.process.kill()
            self.process.wait()
            self.n_kills += 1


def catch_up(publisher: Publisher, broker: Mosquitto, path: Path, chance: random.Random) -> int:
    """Publish until nothing waits, and kill meanwhile; gives how often the broker was stopped."""
    n_stops, n_all = 0, n_unsent(path) or N_FIELDS
    publisher.begin()
    while (left := n_unsent(path)) is None or left > 0:
        time.sleep(chance.uniform(1.0, 3.0))
        publisher.kill()
        left = n_unsent(path)
        if n_stops < 2 and left is not None and left < n_all * (2 - n_stops) // 3:
            broker.stop()
            time.sleep(chance.uniform(0.2, 1.0))
            broker.start()
            n_stops += 1
        publisher.begin()
    return n_stops


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a week; it takes the longest here, so it is made once."""
    folder = tmp_path_factory.mktemp("week")
    began_s = time.monotonic()
    path = journal_of_a_week(folder)
    n_mib = path.stat().st_size / 2**20
    sys.stderr.write(f"\na journal of {n_mib:.0f} MiB, made in {time.monotonic() - began_s:.0f} s\n")
    return path


@pytest.mark.parametrize("is_killed", [False, True], ids=["undisturbed", "through_kills"])
def test_a_week_without_a_broker_is_caught_up_with(
    tmp_path: Path, broker: Mosquitto, week: Path, is_killed: bool
) -> None:
    collector = Collector(broker)  # its session waits for what comes while it is away
    path = tmp_path / "journal.sqlite3"
    for part in week.parent.iterdir():
        shutil.copy(part, path.parent)
    with JournalReader(path) as reader:
        n_events = reader.head().count
    publisher, began_s, n_stops = Publisher(broker.settings(tmp_path)), time.monotonic(), 0
    try:
        if is_killed:
            n_stops = catch_up(publisher, broker, path, random.Random(7))
        else:
            publisher.begin()
            wait_until(lambda: n_unsent(path) == 0, "never caught up", 3600.0)
        took_s = time.monotonic() - began_s
        wait_until(lambda: len(collector.messages) >= n_events, "lost", 300.0)
        wait_until(lambda: len({told["id"] for told in collector.results()}) >= n_events, "lost", 300.0)
        publisher.measure()
    finally:
        publisher.kill()
        collector.close()
    came = [told["number"] for told in collector.results()]
    assert list(dict.fromkeys(came)) == list(range(1, n_events + 1)), "none lost, and first seen in order"
    sys.stderr.write(
        f"{n_events} events caught up with in {took_s:.1f} s, {n_events / took_s:.0f} a second, "
        f"through {publisher.n_kills - 1} kills and {n_stops} stops of the broker; "
        f"lost 0, {len(came) - n_events} came twice; at most {publisher.most_mib:.0f} MiB\n"
    )
