"""Forty devices on one broker, killed and cut off at random while it goes and comes: the counts add up.

ALLSCOPE_FORTY_S says for how long; 8 s unless told. The figures go to the error stream (`pytest -s`).
"""

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

pytest.importorskip("paho", reason="the extra `fleet` is not installed")

from alledge.clock import SystemClock
from alledge.journal import SqliteJournal
from alledge.journal.reading import JournalReader
from alledge.journal.store import open_journal
from alledge.telemetry.broker import MqttBroker
from alledge.telemetry.publish_settings import read_publish_settings
from alledge.telemetry.publishing import Outbox, publish
from alledge.telemetry.reporting import n_unsent
from tests.edge.journal.made import WALL, field_record, filled_journal
from tests.system.mosquitto import Collector, Mosquitto, wait_until
from tests.system.network import Network

LASTS_S = float(os.environ.get("ALLSCOPE_FORTY_S", "8"))
N_DEVICES = 40


def publish_for_ever(settings_file: Path) -> None:
    settings = read_publish_settings(settings_file)
    outbox = Outbox(Path(settings.data), settings.name, MqttBroker(settings))
    publish(outbox, lambda: False, lambda _: None)


@dataclass
class Device:
    """A journal that grows, and a publisher that is killed."""

    name: str
    path: Path
    settings: Path
    journal: SqliteJournal
    slide_id: int
    context: ForkServerContext
    process: ForkServerProcess | None = None
    n_kills: int = 0

    def begin(self) -> None:
        self.process = self.context.Process(target=publish_for_ever, args=(self.settings,), daemon=True)
        self.process.start()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.n_kills += 1


@pytest.fixture
def network(broker: Mosquitto) -> Iterator[Network]:
    network = Network(broker.port, random.Random(31)).start()
    yield network
    network.stop()


@pytest.fixture
def devices(tmp_path: Path, broker: Mosquitto, network: Network) -> Iterator[list[Device]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    devices = []
    for number in range(N_DEVICES):
        name = f"scope-{number:02d}"
        folder = tmp_path / name
        folder.mkdir()
        path = filled_journal(folder, n_fields=1)
        journal = open_journal(path, SystemClock())
        slide_id = journal.start_slide("S-2", WALL)
        settings = broker.settings(folder, name)
        text = settings.read_text()
        settings.write_text(text.replace(f"port = {broker.port}", f"port = {network.port}"))
        devices.append(Device(name, path, settings, journal, slide_id, context))
    yield devices
    for device in devices:
        device.kill()
        device.journal.close()


def live(devices: list[Device], broker: Mosquitto, network: Network, chance: random.Random) -> None:
    """Fields come, publishers die and start again, lines fail, and the broker goes once in a while."""
    end_s, next_stop_s, sequence = time.monotonic() + LASTS_S, time.monotonic() + LASTS_S / 3, 100
    while time.monotonic() < end_s:
        sequence += 1
        for device in chance.sample(devices, N_DEVICES // 4):
            device.journal.append_field(device.slide_id, field_record(sequence, n_cells=2))
        for device in chance.sample(devices, 3):
            device.kill()
            device.begin()
        network.trouble()
        if time.monotonic() > next_stop_s:
            broker.stop()
            time.sleep(chance.uniform(0.2, 1.0))
            broker.start()
            next_stop_s += LASTS_S / 3
        time.sleep(0.1)


def test_forty_devices_add_up(devices: list[Device], broker: Mosquitto, network: Network) -> None:
    collector = Collector(broker)
    try:
        for device in devices:
            device.begin()
        live(devices, broker, network, random.Random(29))
        ended_s, n_events = time.monotonic(), 0
        wait_until(lambda: not any(n_unsent(device.path) for device in devices), "not all was taken", 120.0)
        for device in devices:
            with JournalReader(device.path) as reader:
                events = reader.events(limit=10_000)
            wanted = [(event.number, event.hash) for event in events]

            def once(name: str = device.name) -> list[tuple[int, str]]:
                told = {message["id"]: message for message in collector.results(name)}
                return [(message["number"], message["hash"]) for message in told.values()]

            wait_until(lambda once=once, wanted=wanted: len(once()) >= len(wanted), device.name)
            assert once() == wanted, "none lost, in order, nothing that is in no journal"
            n_events += len(wanted)
        n_came = sum(len(collector.results(device.name)) for device in devices)
        sys.stderr.write(
            f"\n{n_events} events of {N_DEVICES} devices in {LASTS_S:.0f} s, through "
            f"{sum(device.n_kills for device in devices)} kills; lines: {network.n_cut} cut, "
            f"{network.n_silent} silent, {network.n_deaf} deaf; lost 0, {n_came - n_events} came twice; "
            f"the last within {time.monotonic() - ended_s:.1f} s of the end\n"
        )
    finally:
        collector.close()
