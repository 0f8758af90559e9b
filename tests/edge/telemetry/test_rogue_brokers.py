"""A broker that answers strangely, or a journal that rotted, loses no event and ends no publisher."""

import gc
import json
import os
import random
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("paho", reason="the extra `fleet` is not installed")
pytest.importorskip("cryptography", reason="the extra `fleet` is not installed")

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from alledge.errors import JournalDamaged
from alledge.journal.reading import JournalReader
from alledge.telemetry import broker as broker_module
from alledge.telemetry.broker import BrokerUnavailable, MqttBroker
from alledge.telemetry.cursor import CURSOR_FILE, read_cursor
from alledge.telemetry.publish_settings import PublishSettings
from alledge.telemetry.publishing import Outbox, publish
from alledge.telemetry.reporting import n_unsent
from tests.edge.certificates import WRONGS, Issuer, TlsServer, wrong_certificate
from tests.edge.journal.made import filled_journal
from tests.edge.telemetry.rogue_broker import (
    DISCONNECT,
    PUBLISH,
    RogueBroker,
    Visit,
    acknowledged,
    honest,
    packet,
    welcome,
)
from tests.edge.telemetry.schema import faults_of
from tests.edge.telemetry.test_outbox import ScriptedBroker, events_in, first_seen, send_all

N_EVENTS = 7


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "PATIENCE_S", 0.6)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    filled_journal(tmp_path)
    return tmp_path


def cursor_of(data: Path) -> int:
    told = read_cursor(data)
    return 0 if told is None else told.number


def refused(data: Path, behave: Callable[[Visit], None], words: str = ".") -> None:
    """The broker is said to be unavailable, for this reason, and no event counts as taken."""
    with RogueBroker(behave) as rogue, pytest.raises(BrokerUnavailable, match=words):
        Outbox(data, "d", rogue.broker(data)).send_some()
    assert cursor_of(data) == 0


def test_an_answer_to_an_old_message_is_not_taken_for_that_of_a_new_one(data: Path) -> None:
    """Numbers of messages begin anew after 65,535; a week's journal has more in one connection."""

    def only_online(visit: Visit) -> None:
        visit.say(welcome())
        number = visit.read()
        assert number is not None
        visit.say(acknowledged(number))
        while True:
            visit.read()

    with RogueBroker(only_online) as rogue:
        broker = rogue.broker(data)
        client = broker._opened()
        client._last_mid = 65_535
        with pytest.raises(BrokerUnavailable, match="silent"):
            Outbox(data, "d", broker).send_some()
    assert cursor_of(data) == 0


def test_answers_out_of_order_twice_and_to_nobody_are_borne(data: Path) -> None:
    def confused(visit: Visit) -> None:
        visit.say(welcome())
        for _ in range(2):
            number = visit.read()
            assert number is not None
            visit.say(acknowledged(number) * 2 + acknowledged(60_000) + acknowledged(0))
        numbers = [visit.read() for _ in range(N_EVENTS - 1)]
        for number in reversed(numbers):
            assert number is not None
            visit.say(acknowledged(number))
        visit.read()

    with RogueBroker(confused) as rogue:
        assert Outbox(data, "d", rogue.broker(data)).send_some() == N_EVENTS
    assert cursor_of(data) == N_EVENTS


def test_an_answer_to_the_last_one_only_moves_nothing(data: Path) -> None:
    def last_only(visit: Visit) -> None:
        visit.say(welcome())
        for _ in range(2):
            number = visit.read()
            assert number is not None
            visit.say(acknowledged(number))
        numbers = [visit.read() for _ in range(N_EVENTS - 1)]
        assert numbers[-1] is not None
        visit.say(acknowledged(numbers[-1]))
        visit.read()

    with RogueBroker(last_only) as rogue, pytest.raises(BrokerUnavailable):
        Outbox(data, "d", rogue.broker(data)).send_some()
    assert cursor_of(data) == 1


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_is_under_way_than_the_broker_takes(data: Path, most: int) -> None:
    n_under_way: list[int] = []

    def slow(visit: Visit) -> None:
        visit.say(welcome(properties=b"\x21" + most.to_bytes(2, "big")))
        visit.connection.settimeout(0.05)
        waiting: list[int] = []
        while True:
            try:
                number = visit.read()
                waiting += [] if number is None else [number]
                n_under_way.append(len(waiting))
            except TimeoutError:
                for number in waiting:
                    visit.say(acknowledged(number))
                waiting = []

    with RogueBroker(slow) as rogue:
        assert Outbox(data, "d", rogue.broker(data)).send_some() == N_EVENTS
    assert max(n_under_way) <= most


def test_a_broker_that_takes_only_shorter_messages_is_said_to(data: Path) -> None:
    refused(data, lambda visit: honest(visit, welcome(properties=b"\x27\0\0\0\x14")), "of 20 bytes")


@pytest.mark.parametrize("reason", [0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x92, 0x97, 0x99, 0x9D, 0x77, 0xFF])
def test_only_a_plain_yes_counts(data: Path, reason: int) -> None:
    def says_no(visit: Visit) -> None:
        visit.say(welcome())
        while True:
            number = visit.read()
            if number is not None:
                visit.say(acknowledged(number, reason if len(visit.published) > 1 else 0))

    refused(data, says_no)


@pytest.mark.parametrize(
    ("reason", "words"),
    [(0x8E, "taken over"), (0x9D, "moved"), (0x8B, "shutting down"), (0x97, "[Qq]uota"), (0x9A, "[Rr]etain")],
)
def test_why_the_broker_hung_up_is_told(data: Path, reason: int, words: str) -> None:
    def hangs_up(visit: Visit) -> None:
        visit.say(welcome())
        visit.read()
        visit.say(packet(DISCONNECT, bytes([reason, 0])))

    refused(data, hangs_up, words)


TOPIC = b"\0\1a"
STRANGE: dict[str, bytes] = {
    "an_empty_answer": packet(0x40, b""),
    "half_an_answer": packet(0x40, b"\0"),
    "an_empty_message": packet(PUBLISH, b""),
    "a_message_shorter_than_its_topic": packet(PUBLISH, b"\0\x50a"),
    "a_message_with_endless_properties": packet(PUBLISH, TOPIC + b"\xff" * 5),
    "a_length_of_five_bytes": b"\x30\xff\xff\xff\xff\xff",
    "a_packet_of_no_kind": packet(0, b""),
    "a_connection_of_its_own": packet(0x10, b""),
    "a_subscription_of_its_own": packet(0x82, b"\0\1\0\0\1a\0"),
    "a_second_welcome_that_refuses": welcome(0x87),
    "another_protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("data_of_broker", STRANGE.values(), ids=STRANGE)
def test_what_is_no_mqtt_ends_the_connection_and_nothing_else(data: Path, data_of_broker: bytes) -> None:
    def strange(visit: Visit) -> None:
        visit.say(welcome() + data_of_broker)
        while True:
            visit.read()

    refused(data, strange)


def test_messages_to_a_device_are_overheard(data: Path) -> None:
    said = packet(PUBLISH, TOPIC + b"\0hi") * 200
    said += b"".join(packet(0x34, TOPIC + number.to_bytes(2, "big") + b"\0hi") for number in range(1, 200))
    said += packet(0x62, b"\0\1") + packet(0x90, b"\0\x09\0\0")
    with RogueBroker(lambda visit: honest(visit, welcome() + said)) as rogue:
        assert Outbox(data, "d", rogue.broker(data)).send_some() == N_EVENTS


def test_a_message_of_256_megabytes_is_not_waited_for(data: Path) -> None:
    def flood(visit: Visit) -> None:
        visit.say(welcome() + b"\x30\xff\xff\xff\x7f")
        for _ in range(255):
            visit.say(bytes(2**20))

    began_s = time.monotonic()
    refused(data, flood, "far too long")
    assert time.monotonic() - began_s < 5


def test_a_broker_that_chats_but_never_answers_is_left(data: Path) -> None:
    def chats(visit: Visit) -> None:
        visit.say(welcome())
        while True:
            visit.say(packet(0xD0, b"") * 1000)

    refused(data, chats, "silent")


def test_a_broker_that_answers_late_each_time_gets_all_in_the_end(data: Path) -> None:
    def late(visit: Visit) -> None:
        visit.say(welcome())
        while True:
            number = visit.read()
            if number is not None:
                time.sleep(0.9)  # impatience is over after 0.6 s
                visit.say(acknowledged(number))

    with RogueBroker(late) as rogue:
        outbox = Outbox(data, "d", rogue.broker(data), batch=1)
        for _ in range(4):
            try:
                outbox.send_some()
                break
            except BrokerUnavailable:
                continue
    assert cursor_of(data) == 1


def test_who_is_stopped_waits_for_no_answer(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "PATIENCE_S", 30.0)
    stopped = threading.Event()

    def silent(visit: Visit) -> None:
        visit.say(welcome())
        visit.read()
        stopped.set()
        visit.read()

    with RogueBroker(silent) as rogue:
        asked = rogue.broker(data)
        broker = MqttBroker(asked._settings, stopped.is_set)
        began_s = time.monotonic()
        publish(Outbox(data, "d", broker), stopped.is_set, lambda _: None)
    assert time.monotonic() - began_s < 5


def test_a_broker_that_drips_is_left(data: Path) -> None:
    def drips(visit: Visit) -> None:
        for byte in welcome():
            visit.say(bytes([byte]))
            time.sleep(0.3)

    refused(data, drips, "silent")


@pytest.mark.parametrize("seed", range(25))
def test_random_packets_end_in_a_broker_that_is_unavailable_or_in_all_events(data: Path, seed: int) -> None:
    chance = random.Random(seed)
    noise = [
        packet(chance.randrange(256), chance.randbytes(chance.randrange(12)))
        for _ in range(chance.randint(1, 4))
    ]
    greeting = (welcome() if chance.random() < 0.7 else b"") + b"".join(noise)
    with RogueBroker(lambda visit: honest(visit, greeting)) as rogue:
        try:
            assert Outbox(data, "d", rogue.broker(data)).send_some() == N_EVENTS
        except BrokerUnavailable:
            assert cursor_of(data) in range(N_EVENTS + 1)


# What rots on the device.


def spoil(data: Path, sql: str, *values: object) -> None:
    """Change the journal behind its back, triggers and all."""
    connection = sqlite3.connect(data / "journal.sqlite3")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(sql, values)
    connection.commit()
    connection.close()


BODIES = ("", "[]", "{}", '{"wall": NaN}', "[" * 50_000, '{"wall": {}, "slide_id": 999}', "\0", '{"wall":1')


@pytest.mark.parametrize("number", [2, 3, N_EVENTS])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_an_event_that_rotted_is_told_as_damaged_and_holds_nothing_up(
    data: Path, number: int, body: str
) -> None:
    spoil(data, "UPDATE events SET body = ? WHERE number = ?", body, number)
    broker = ScriptedBroker()
    send_all(Outbox(data, "d", broker))
    assert first_seen(broker.arrived) == list(range(1, N_EVENTS + 1))
    told = [json.loads(message.payload) for message in broker.arrived]
    assert told[number - 1]["damaged"]
    assert [fault for message in told for fault in faults_of(message)] == []


def test_counts_that_somebody_changed_in_the_journal_are_not_told_as_true(data: Path) -> None:
    spoil(data, "UPDATE events SET body = replace(body, 'blast', 'normal') WHERE number = 3")
    broker = ScriptedBroker()
    send_all(Outbox(data, "d", broker))
    told = json.loads(broker.arrived[2].payload)
    assert told["damaged"]
    assert "field" not in told


def test_a_journal_that_does_not_know_itself_waits(data: Path) -> None:
    spoil(data, "UPDATE events SET body = '[' WHERE number = 1")
    with pytest.raises(JournalDamaged):
        Outbox(data, "d", ScriptedBroker()).send_some()


def rotten_cursors(data: Path) -> dict[str, bytes]:
    with JournalReader(data / "journal.sqlite3") as reader:
        journal_id = reader.events(limit=1)[0].fields()["journal_id"]
    told = {"journal_id": journal_id, "hash": "0"}
    return {
        "beyond_sqlite": json.dumps({**told, "number": 10**30}).encode(),
        "at_its_edge": json.dumps({**told, "number": 2**63}).encode(),
        "a_maze": b"[" * 200_000,
        "endless_digits": b'{"number": ' + b"1" * 5_000,
        "endless": b" " * 10_000_000,
        "true": json.dumps({**told, "number": True}).encode(),
    }


@pytest.mark.parametrize(
    "which", ["beyond_sqlite", "at_its_edge", "a_maze", "endless_digits", "endless", "true"]
)
def test_a_rotten_cursor_means_all_again(data: Path, which: str) -> None:
    (data / CURSOR_FILE).write_bytes(rotten_cursors(data)[which])
    assert n_unsent(data / "journal.sqlite3") is None, "nor does it end the service that counts what waits"
    broker = ScriptedBroker()
    send_all(Outbox(data, "d", broker))
    assert first_seen(broker.arrived) == events_in(data / "journal.sqlite3")


def test_a_pipe_in_place_of_the_cursor_is_not_waited_for(data: Path) -> None:
    os.mkfifo(data / CURSOR_FILE)
    assert read_cursor(data) is None


def test_what_killed_publishers_left_is_swept_away(data: Path) -> None:
    left = data / f".{CURSOR_FILE}.0a1b2c3d.partial"
    other = data / ".journal-export.0a1b2c3d.partial"
    for path in (left, other):
        path.write_bytes(b"half")
    publish(Outbox(data, "d", ScriptedBroker()), lambda: True, lambda _: None)
    assert not left.exists()
    assert other.exists(), "which is somebody else's"


# TLS: results go to the broker that the settings name, or to none.


def over_tls(data: Path, server: TlsServer, issuer: Issuer) -> MqttBroker:
    return MqttBroker(
        PublishSettings("127.0.0.1", server.port, "d", ca=str(issuer.certificate), data=str(data))
    )


def serve_mqtt(connection: ssl.SSLSocket) -> None:
    visit = Visit(connection)
    visit.read()
    honest(visit)


def test_results_go_over_tls(data: Path) -> None:
    issuer = Issuer(data, "trusted")
    with TlsServer(issuer.issue("broker"), serve_mqtt) as server:
        assert Outbox(data, "d", over_tls(data, server, issuer)).send_some() == N_EVENTS


# paho leaves a socket to the garbage collector when its handshake fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", WRONGS)
def test_a_broker_with_a_wrong_certificate_is_told_nothing(data: Path, kind: str) -> None:
    issuer, heard = Issuer(data, "trusted"), list[bytes]()
    with TlsServer(wrong_certificate(kind, issuer), lambda it: heard.append(it.recv(9))) as server:
        with pytest.raises(BrokerUnavailable, match="certificate"):
            Outbox(data, "d", over_tls(data, server, issuer)).send_some()
        gc.collect()
    assert [said for said in heard if said] == []
    assert cursor_of(data) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_broker_that_knows_only_an_old_tls_is_told_nothing(data: Path) -> None:
    issuer = Issuer(data, "trusted")
    with TlsServer(issuer.issue("broker"), serve_mqtt, ssl.TLSVersion.TLSv1_1) as server:
        with pytest.raises(BrokerUnavailable):
            Outbox(data, "d", over_tls(data, server, issuer)).send_some()
        gc.collect()
    assert cursor_of(data) == 0


def test_a_device_key_with_a_passphrase_is_said_to_be_unusable_and_asks_no_terminal(data: Path) -> None:
    issuer = Issuer(data, "trusted")
    both = issuer.issue("device")
    key = load_pem_private_key(both.read_bytes(), None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (data / "device.key").write_bytes(sealed)
    (data / "device.key").chmod(0o600)
    settings = PublishSettings(
        "127.0.0.1",
        1,
        "d",
        ca=str(issuer.certificate),
        certificate=str(both),
        key=str(data / "device.key"),
        data=str(data),
    )
    with pytest.raises(BrokerUnavailable, match="certificates cannot be used"):
        Outbox(data, "d", MqttBroker(settings)).send_some()
