"""`alledge publish` against a real Mosquitto: nothing is lost, whatever is killed."""

import gc
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("paho", reason="the extra `fleet` is not installed")

from alledge.clock import SystemClock
from alledge.journal.reading import JournalReader
from alledge.journal.store import open_journal
from alledge.telemetry.broker import BrokerUnavailable, MqttBroker
from alledge.telemetry.cursor import read_cursor
from alledge.telemetry.publish_settings import read_publish_settings
from alledge.telemetry.publishing import Outbox
from tests.edge.journal.made import WALL, field_record, filled_journal
from tests.edge.telemetry.schema import faults_of
from tests.system.mosquitto import DEVICE, Authority, Collector, Mosquitto, wait_until
from tests.system.processes import BIN

Publish = Callable[[Path], "subprocess.Popen[bytes]"]


@pytest.fixture
def collector(broker: Mosquitto) -> Iterator[Collector]:
    collector = Collector(broker)
    yield collector
    collector.close()


@pytest.fixture
def start() -> Iterator[Publish]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(settings: Path) -> "subprocess.Popen[bytes]":
        command = [str(BIN / "alledge"), "publish", "--config", str(settings)]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def append_fields(path: Path, n: int, pause_s: float) -> None:
    journal = open_journal(path, SystemClock())
    slide_id = journal.start_slide("S-9", WALL)
    for sequence in range(n):
        journal.append_field(slide_id, field_record(sequence, n_cells=1))
        time.sleep(pause_s)
    journal.end_slide(slide_id, WALL)
    journal.close()


def test_no_result_is_lost_when_publisher_and_broker_are_killed_at_random(
    tmp_path: Path, broker: Mosquitto, collector: Collector, start: Publish
) -> None:
    path, settings, chance = filled_journal(tmp_path), broker.settings(tmp_path), random.Random(11)
    writer = threading.Thread(target=append_fields, args=(path, 500, 0.02))
    writer.start()
    for life in range(8):
        process = start(settings)
        time.sleep(chance.uniform(0.6, 2.0))
        process.kill()
        process.wait()
        if life in (2, 5):
            broker.stop()
            knocking = start(settings)
            time.sleep(1.5)
            knocking.kill()
            knocking.wait()
            broker.start()
    writer.join()
    start(settings)
    with JournalReader(path) as reader:
        events = reader.events(limit=10_000)
    wait_until(lambda: {m["number"] for m in collector.results()} >= {e.number for e in events}, "lost")
    came = collector.results()
    once = list({message["id"]: message for message in came}.values())
    assert [message["number"] for message in once] == [event.number for event in events], "all, in order"
    assert [message["hash"] for message in once] == [event.hash for event in events]
    assert all(message == next(m for m in once if m["id"] == message["id"]) for message in came)
    assert [fault for message in once for fault in faults_of(message)] == []


def test_the_cursor_stands_while_the_broker_is_gone_and_catches_up(
    tmp_path: Path, broker: Mosquitto, collector: Collector, start: Publish
) -> None:
    path, settings = filled_journal(tmp_path), broker.settings(tmp_path)
    start(settings)
    with JournalReader(path) as reader:
        n_before = reader.head().count
    wait_until(lambda: (told := read_cursor(tmp_path)) and told.number == n_before, "never published")
    broker.stop()
    append_fields(path, 30, 0.0)
    time.sleep(1.0)
    told = read_cursor(tmp_path)
    assert told is not None
    assert told.number == n_before
    broker.start()
    wait_until(lambda: len({m["id"] for m in collector.results()}) == n_before + 32, "never caught up")


def test_a_device_that_dies_is_told_to_be_off_by_the_broker(
    tmp_path: Path, broker: Mosquitto, collector: Collector, start: Publish
) -> None:
    filled_journal(tmp_path)
    process = start(broker.settings(tmp_path))
    wait_until(lambda: collector.online() == [True], "never on")
    process.kill()
    wait_until(lambda: collector.online() == [True, False], "the will was not told")


def test_a_publisher_that_is_stopped_says_so_and_ends_at_once(
    tmp_path: Path, broker: Mosquitto, collector: Collector, start: Publish
) -> None:
    filled_journal(tmp_path)
    process = start(broker.settings(tmp_path))
    wait_until(lambda: collector.online() == [True], "never on")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    wait_until(lambda: collector.online() == [True, False], "it did not say good-bye")


def outbox(broker: Mosquitto, data: Path, device: str = DEVICE, authority: Authority | None = None) -> Outbox:
    settings = read_publish_settings(broker.settings(data, device, authority))
    return Outbox(data, device, MqttBroker(settings))


def test_two_devices_of_one_name_both_get_through(
    tmp_path: Path, broker: Mosquitto, collector: Collector, start: Publish
) -> None:
    """A card was copied, say: the broker ends the one's connection for the other's, again and again."""
    settings, wanted = broker.settings(tmp_path), set[str]()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        path = filled_journal(tmp_path / name, n_fields=40)
        own = tmp_path / f"{name}.toml"
        own.write_text(settings.read_text().replace(f'data = "{tmp_path}"', f'data = "{path.parent}"'))
        start(own)
        with JournalReader(path) as reader:
            wanted |= {event.hash for event in reader.events(limit=1_000)}
    wait_until(lambda: {message["hash"] for message in collector.results()} >= wanted, "one got lost")


def test_a_message_that_nobody_listens_to_is_kept(tmp_path: Path, broker: Mosquitto) -> None:
    filled_journal(tmp_path)
    with pytest.raises(BrokerUnavailable, match="Nobody listens"):
        outbox(broker, tmp_path).send_some()
    assert read_cursor(tmp_path) is None


def test_a_device_may_not_speak_for_another_and_its_results_are_kept(
    tmp_path: Path, broker: Mosquitto, collector: Collector
) -> None:
    filled_journal(tmp_path)
    settings = broker.settings(tmp_path, "bench-2")
    settings.write_text(settings.read_text().replace('device = "bench-2"', f'device = "{DEVICE}"'))
    thief = Outbox(tmp_path, DEVICE, MqttBroker(read_publish_settings(settings)))
    with pytest.raises(BrokerUnavailable, match=f"refuses {DEVICE}|broke"):
        thief.send_some()
    assert read_cursor(tmp_path) is None
    assert collector.results() == []


def test_a_message_that_the_broker_acknowledges_with_a_refusal_is_kept(tmp_path: Path) -> None:
    """Mosquitto answers what its rules forbid with a PUBACK, and drops it."""
    data = tmp_path / "data"
    data.mkdir()
    filled_journal(data)
    strict = Mosquitto(tmp_path, written="pattern write allscope/v1/%u/online").start()
    try:
        with pytest.raises(BrokerUnavailable, match="refuses a message: Not authorized"):
            outbox(strict, data).send_some()
    finally:
        strict.stop()
    assert read_cursor(data) is None


def test_a_certificate_of_another_authority_is_not_let_in(
    tmp_path: Path, broker: Mosquitto, collector: Collector
) -> None:
    filled_journal(tmp_path)
    stranger = Authority(tmp_path, "stranger")
    with pytest.raises(BrokerUnavailable):
        outbox(broker, tmp_path, authority=stranger).send_some()
    assert read_cursor(tmp_path) is None


# paho 2.2 leaves a socket to the garbage collector when its handshake fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_of_another_authority_is_not_told_anything(
    tmp_path: Path, broker: Mosquitto, collector: Collector
) -> None:
    filled_journal(tmp_path)
    settings = broker.settings(tmp_path)
    other = Authority(tmp_path, "stranger")
    settings.write_text(
        settings.read_text().replace(str(broker.authority.certificate), str(other.certificate))
    )
    with pytest.raises(BrokerUnavailable, match="certificate"):
        Outbox(tmp_path, DEVICE, MqttBroker(read_publish_settings(settings))).send_some()
    gc.collect()
    assert collector.results() == []


def test_the_id_is_in_the_messages_properties_and_in_its_text(
    tmp_path: Path, broker: Mosquitto, collector: Collector
) -> None:
    filled_journal(tmp_path)
    assert outbox(broker, tmp_path).send_some() > 0
    wait_until(collector.results, "nothing came")
    first = collector.results()[0]
    assert first["id"] == f"{first['journal_id']}-1-{first['hash'][:16]}"
    assert json.dumps(first)
