"""The outbox: every event told at least once and in order, whatever fails between broker and cursor."""

import contextlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("paho", reason="the extra `fleet` is not installed")

from alledge.clock import SystemClock
from alledge.errors import AlreadyRunning, ConfigUnusable, StorageFailed
from alledge.journal.reading import JournalReader
from alledge.journal.store import open_journal
from alledge.telemetry import publishing
from alledge.telemetry.broker import BrokerUnavailable
from alledge.telemetry.cursor import CURSOR_FILE, Cursor, read_cursor, write_cursor
from alledge.telemetry.messages import Message
from alledge.telemetry.publish_settings import SecretReadable, read_publish_settings
from alledge.telemetry.publishing import BackOff, Outbox, publish
from alledge.telemetry.reporting import n_unsent
from alledge.types import Verdict
from tests.edge.journal.made import WALL, field_record, filled_journal, new_journal
from tests.edge.telemetry.schema import SCHEMA, faults_of


class ScriptedBroker:
    """Takes as many messages of each batch as the script says, and then breaks; the next one begins anew."""

    def __init__(self, script: Sequence[int | None] = ()) -> None:
        self.script, self.arrived = list(script), list[Message]()

    def deliver(self, messages: Sequence[Message], acknowledged: Callable[[int], None]) -> None:
        limit = self.script.pop(0) if self.script else None
        for n, message in enumerate(messages, start=1):
            self.arrived.append(message)  # it arrives, whether or not we hear of it
            if limit is not None and n > limit:
                raise BrokerUnavailable("Broken.", "Wait.")
            acknowledged(n)

    def idle(self, seconds: float) -> None:
        """Nothing to keep."""

    def close(self) -> None:
        """Nothing to close."""


def first_seen(messages: Sequence[Message]) -> list[int]:
    """Numbers in the order in which they came first: what a subscriber has who drops what he knows."""
    return list({message.id: message.number for message in messages}.values())


def send_all(outbox: Outbox) -> None:
    while True:
        try:
            if outbox.send_some() == 0:
                return
        except (BrokerUnavailable, StorageFailed):
            continue


def send_all_or_die(outbox: Outbox) -> None:
    while outbox.send_some():
        continue


def events_in(path: Path) -> list[int]:
    with JournalReader(path) as reader:
        return [event.number for event in reader.events(limit=10_000)]


@settings(max_examples=25)
@given(script=st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=12), batch=st.integers(1, 7))
def test_every_event_arrives_in_order_however_the_broker_breaks(
    tmp_path_factory: pytest.TempPathFactory, script: list[int | None], batch: int
) -> None:
    path = filled_journal(tmp_path_factory.mktemp("data"), n_fields=8)
    broker = ScriptedBroker(script)
    send_all(Outbox(path.parent, "d", broker, batch))
    assert first_seen(broker.arrived) == events_in(path)
    assert n_unsent(path) == 0


def test_a_device_killed_before_the_cursor_is_stored_sends_again_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, broker, chance = filled_journal(tmp_path, n_fields=12), ScriptedBroker(), random.Random(3)

    def killed(data: Path, cursor: Cursor) -> None:
        if chance.random() < 0.5:
            raise StorageFailed("Killed.", "Start again.")
        write_cursor(data, cursor)

    monkeypatch.setattr(publishing, "write_cursor", killed)
    for _ in range(40):
        with contextlib.suppress(StorageFailed):
            send_all_or_die(Outbox(tmp_path, "d", broker, batch=3))
    assert first_seen(broker.arrived) == events_in(path)
    assert len(broker.arrived) > len(events_in(path)), "some came twice"


def test_a_disk_that_cannot_keep_the_cursor_does_not_make_the_same_go_out_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, broker = filled_journal(tmp_path, n_fields=12), ScriptedBroker()

    def full(_data: Path, _cursor: Cursor) -> None:
        raise StorageFailed("The disk is full.", "Make room.")

    monkeypatch.setattr(publishing, "write_cursor", full)
    send_all(Outbox(tmp_path, "d", broker, batch=3))
    assert [message.number for message in broker.arrived] == events_in(path), "each once"


def test_what_is_added_while_the_broker_is_gone_follows(tmp_path: Path) -> None:
    path, broker = filled_journal(tmp_path), ScriptedBroker()
    outbox = Outbox(tmp_path, "d", broker)
    send_all(outbox)
    journal = open_journal(path, SystemClock())
    slide_id = journal.start_slide("S-2", WALL)
    journal.append_field(slide_id, field_record(9))
    journal.close()
    assert n_unsent(path) == 2
    send_all(outbox)
    assert first_seen(broker.arrived) == events_in(path)
    assert json.loads(broker.arrived[-1].payload)["field"]["slide"] == "S-2"


def test_numbers_that_a_medium_lost_and_gave_again_are_sent_again(tmp_path: Path) -> None:
    """The broker has event 9; a power cut took it from a card that lies; another event 9 must go out."""
    path, broker = filled_journal(tmp_path), ScriptedBroker()
    with JournalReader(path) as reader:
        journal_id = str(reader.events(limit=1)[0].fields()["journal_id"])
        last = reader.head()
    write_cursor(tmp_path, Cursor(journal_id, last.count, "0" * 64))
    send_all(Outbox(tmp_path, "d", broker))
    assert first_seen(broker.arrived) == events_in(path)
    write_cursor(tmp_path, Cursor(journal_id, last.count + 5, "0" * 64))
    send_all(Outbox(tmp_path, "d", broker))
    assert read_cursor(tmp_path) == Cursor(journal_id, last.count, last.hash)


def test_a_new_journal_is_told_from_its_beginning(tmp_path: Path) -> None:
    path, broker = filled_journal(tmp_path), ScriptedBroker()
    send_all(Outbox(tmp_path, "d", broker))
    for old in tmp_path.glob("journal.sqlite3*"):
        old.rename(old.with_name(f"gone-{old.name}"))
    new_journal(tmp_path).close()
    send_all(Outbox(tmp_path, "d", broker))
    last = json.loads(broker.arrived[-1].payload)
    assert (last["number"], last["kind"]) == (1, "journal-started")
    assert len({message.id for message in broker.arrived}) == len(broker.arrived)
    assert path.is_file()


@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]", b'{"journal_id": 1, "number": "x", "hash": null}'])
def test_a_spoilt_cursor_means_twice_and_never_lost(tmp_path: Path, spoilt: bytes) -> None:
    path, broker = filled_journal(tmp_path), ScriptedBroker()
    (tmp_path / CURSOR_FILE).write_bytes(spoilt)
    send_all(Outbox(tmp_path, "d", broker))
    assert first_seen(broker.arrived) == events_in(path)


def test_each_message_fits_its_schema_and_links_to_the_one_before(tmp_path: Path) -> None:
    path, broker = filled_journal(tmp_path), ScriptedBroker()
    send_all(Outbox(tmp_path, "d", broker))
    told = [json.loads(message.payload) for message in broker.arrived]
    assert [fault for message in told for fault in faults_of(message)] == []
    assert [m["previous_hash"] for m in told[1:]] == [m["hash"] for m in told[:-1]]
    assert {message.topic.rsplit("/", 1)[1] for message in broker.arrived} == {"field", "slide", "event"}
    assert path.is_file()


def test_the_schema_knows_every_verdict_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    assert set(SCHEMA["properties"]["field"]["properties"]["verdict"]["enum"]) == {v.value for v in Verdict}
    filled_journal(tmp_path)
    broker = ScriptedBroker()
    send_all(Outbox(tmp_path, "d", broker))
    good = json.loads(next(m.payload for m in broker.arrived if m.topic.endswith("/field")))
    assert list(faults_of(good | {"patch": "..."}))
    assert list(faults_of(good | {"field": good["field"] | {"verdict": "fine"}}))
    assert list(faults_of({key: value for key, value in good.items() if key != "hash"}))


def test_no_picture_no_probability_and_no_word_of_a_person_leaves_the_device(tmp_path: Path) -> None:
    path, broker = filled_journal(tmp_path), ScriptedBroker()
    journal = open_journal(path, SystemClock())
    field_id = next(event.number for event in JournalReader(path).events(kind="field"))
    journal.append_event(
        "review", {"field_id": field_id, "position": 0, "by": "Dr Mira", "note": "odd rim"}, WALL
    )
    journal.close()
    send_all(Outbox(tmp_path, "d", broker))
    told = b"".join(message.payload for message in broker.arrived)
    for secret in (b"Mira", b"odd rim", b"patch", b"picture", b"box", b'"p"'):
        assert secret not in told
    assert max(len(message.payload) for message in broker.arrived) < 2_000


def test_counts_of_a_field_are_of_cells_seen_first(tmp_path: Path) -> None:
    filled_journal(tmp_path)
    broker = ScriptedBroker()
    send_all(Outbox(tmp_path, "d", broker))
    fields = [json.loads(m.payload)["field"] for m in broker.arrived if m.topic.endswith("/field")]
    for told in fields:
        assert sum(call["n"] for call in told["calls"]) == told["cells"]["first"]


def test_pauses_double_to_a_minute_and_differ_between_devices() -> None:
    longest, shortest = BackOff(lambda: 1.0), BackOff(lambda: 0.0)
    assert [longest.failed() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert [shortest.failed() for _ in range(3)] == [0.25, 0.5, 1.0]
    longest.succeeded()
    assert longest.failed() == 0.5


def test_only_one_process_publishes_from_a_folder(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, "d", ScriptedBroker())

    def nested() -> bool:
        with pytest.raises(AlreadyRunning):
            publish(outbox, lambda: True, lambda _: None)
        return True

    publish(outbox, nested, lambda _: None)


def test_without_a_journal_yet_it_waits_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    publish(Outbox(tmp_path, "d", ScriptedBroker()), lambda: bool(told), told.append)
    assert told[0].startswith("path-unusable")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 8883", "`broker` is missing"),
        ('broker = "b"\nprot = 1', "unknown key `prot`"),
        ('broker = "b"\nport = "8883"', "`port` must be a int"),
        ('broker = "b"\nport = 0', "1 to 65535"),
        ('broker = "b"\ndevice = "a/b"', "`device` must be"),
        ('broker = "b"\ndevice = "#"', "`device` must be"),
        ('broker = "b.example"\ntls = false', "only a broker on this machine"),
        ('broker = "b"\ncertificate = "c"', "belong together"),
        ('broker = "b"\nuser = "c"', "belong together"),
        ("broker =", "is no TOML"),
    ],
)
def test_settings_that_cannot_be_right_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "publish.toml"
    file.write_text(text)
    with pytest.raises(ConfigUnusable, match=words):
        read_publish_settings(file)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret, file = tmp_path / "password", tmp_path / "publish.toml"
    secret.write_text("hunter2\n")
    secret.chmod(0o640)
    file.write_text(f'broker = "b"\nuser = "u"\npassword_file = "{secret}"\n')
    with pytest.raises(SecretReadable):
        read_publish_settings(file)
    secret.chmod(0o600)
    assert read_publish_settings(file).password() == "hunter2"
