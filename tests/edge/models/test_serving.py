"""The first minutes of a new model decide: it proves itself, or the last good one serves again by itself."""

import errno
import json
import os
from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.errors import AllscopeError, ClassifierFailed, RuntimeMissing
from alledge.models import refusals as no
from alledge.models import serving, state
from alledge.models.installing import verify
from alledge.models.serving import (
    FAILED_AFTER_FIELDS,
    INSTALLED,
    PROVEN_AFTER_FIELDS,
    PROVEN_AFTER_S,
    begin_service,
    current,
)
from alledge.models.state import MAX_FORGIVEN, MAX_STARTS, Installed, State
from alledge.models.store import _digest, format_state, parse_state
from alledge.models.trust import read_root, trust_root
from alledge.service.ledger import DropReason, LedgerState
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import Device, in_days, model_bytes
from tests.edge.models.refusing import refused


@pytest.fixture
def tried(scene: Scene) -> Device:
    """A device with v2 on trial, and v1 as the last good one."""
    scene.device.install(scene.stick)
    return scene.device


def start(device: Device) -> serving.Probation:
    return begin_service(device.data, INSTALLED)


def test_a_device_without_any_model_says_so(tmp_path: Path) -> None:
    for ask in (current, lambda data: begin_service(data, INSTALLED)):
        with pytest.raises(no.StoreEmpty):
            ask(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_service_that_dies_early_each_time_gets_the_last_good_model(tried: Device) -> None:
    for _ in range(MAX_STARTS):
        assert start(tried).path.read_bytes() == model_bytes(2)
    probation = start(tried)
    assert probation.path.read_bytes() == model_bytes(1)
    assert probation.proven
    assert "3 times" in tried.store.load().fell_back


def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int) -> None:
    """The machine starts anew."""
    file = tmp_path / "boot_id"
    file.write_text(f"boot-{number}\n")
    monkeypatch.setattr(serving, "BOOT_FILE", file)


def test_a_microscope_that_is_switched_off_at_the_wall_demotes_no_model(
    tried: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MAX_STARTS + MAX_FORGIVEN):
        booted(monkeypatch, tmp_path, number)
        assert start(tried).path.read_bytes() == model_bytes(2)


def test_a_model_that_takes_the_machine_down_each_time_makes_room_in_the_end(
    tried: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MAX_STARTS + MAX_FORGIVEN + 1):
        booted(monkeypatch, tmp_path, number)
        last = start(tried)
    assert last.path.read_bytes() == model_bytes(1)


def test_crashes_are_not_forgiven_for_a_reboot_after_a_stop_that_was_asked_for(
    tried: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booted(monkeypatch, tmp_path, 0)
    for _ in range(MAX_STARTS - 1):
        start(tried)
    for number in range(5):
        start(tried).stopped()
        booted(monkeypatch, tmp_path, number + 1)
    start(tried)
    assert start(tried).path.read_bytes() == model_bytes(1)


def test_a_state_of_before_that_knows_no_boots_is_read(tried: Device) -> None:
    told = json.loads((tried.store.folder / "state.json").read_bytes())["state"]
    del told["boot"], told["forgiven"]
    body = json.dumps({"state": told, "sha256": _digest(json.dumps(told, sort_keys=True))})
    assert parse_state(body.encode()) == tried.store.load()


def test_stops_that_were_asked_for_are_no_failures(tried: Device) -> None:
    for _ in range(3 * MAX_STARTS):
        start(tried).stopped()
    assert start(tried).path.read_bytes() == model_bytes(2)


def test_minutes_and_fields_prove_a_model(tried: Device) -> None:
    probation = start(tried)
    assert not probation.note(PROVEN_AFTER_S - 1, PROVEN_AFTER_FIELDS)
    assert not probation.note(PROVEN_AFTER_S, PROVEN_AFTER_FIELDS - 1)
    assert probation.note(PROVEN_AFTER_S, PROVEN_AFTER_FIELDS)
    assert not probation.note(PROVEN_AFTER_S, PROVEN_AFTER_FIELDS)
    for _ in range(3 * MAX_STARTS):
        assert start(tried).path.read_bytes() == model_bytes(2)


def test_the_ledger_of_the_service_tells_how_a_trial_goes(tried: Device) -> None:
    probation = start(tried)
    second_ns = 1_000_000_000
    minutes_ns = int(PROVEN_AFTER_S) * second_ns
    dark = LedgerState(40, 40, 40, {}, 0)  # fields whose quality allowed no calls prove nothing
    assert not probation.tend(7 * second_ns, dark)
    assert not probation.tend(7 * second_ns + minutes_ns, dark)
    bright = LedgerState(50, 50, 40, {}, 0)
    assert not probation.tend(6 * second_ns + minutes_ns, bright)
    assert probation.tend(7 * second_ns + minutes_ns, bright)


def test_failed_fields_in_the_ledger_end_a_trial(tried: Device) -> None:
    failed = {DropReason.CLASSIFIER_FAILED: FAILED_AFTER_FIELDS}
    with pytest.raises(no.TrialFailed):
        start(tried).tend(0, LedgerState(50, 47, 0, failed, 0))


def test_a_model_that_cannot_be_opened_makes_room_at_once(tried: Device) -> None:
    opened: list[bytes] = []

    def opener(path: Path) -> str:
        opened.append(path.read_bytes())
        if opened[-1] == model_bytes(2):
            raise ClassifierFailed("The network gave no answer.", "Look.")
        return "works"

    probation = start(tried)
    assert probation.open(opener) == "works"
    assert opened == [model_bytes(2), model_bytes(1)]
    assert "classifier-failed" in tried.store.load().fell_back
    assert start(tried).path.read_bytes() == model_bytes(1)


def test_a_model_that_fails_fields_ends_the_service_and_makes_room(tried: Device) -> None:
    probation = start(tried)
    assert not probation.note(5.0, 40, FAILED_AFTER_FIELDS - 1)
    with pytest.raises(no.TrialFailed):
        probation.note(5.0, 40, FAILED_AFTER_FIELDS)
    probation.stopped()
    assert start(tried).path.read_bytes() == model_bytes(1)


def test_a_proven_model_may_fail_fields_as_ever(tried: Device) -> None:
    tried.confirm()
    assert not start(tried).note(5.0, 40, 100)
    assert start(tried).path.read_bytes() == model_bytes(2)


def test_the_setting_means_a_file_or_what_serves(tried: Device) -> None:
    assert serving.file_of(tried.data, INSTALLED) == current(tried.data)
    assert serving.file_of(tried.data, "other.tflite") == Path("other.tflite")


def test_a_missing_runtime_is_no_fault_of_a_model(tried: Device) -> None:
    def opener(_path: Path) -> None:
        raise RuntimeMissing("No runtime.", "Install one.")

    with pytest.raises(RuntimeMissing):
        start(tried).open(opener)
    assert tried.store.load().on_trial


def test_a_proven_model_that_cannot_be_opened_is_told_and_not_left(tried: Device) -> None:
    tried.confirm()

    def opener(_path: Path) -> None:
        raise ClassifierFailed("The network gave no answer.", "Look.")

    with pytest.raises(ClassifierFailed):
        start(tried).open(opener)
    assert start(tried).path.read_bytes() == model_bytes(2)


def test_a_damaged_file_makes_room_for_the_last_good_one(tried: Device) -> None:
    tried.confirm()
    path = current(tried.data)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(no.InstalledModelDamaged):
        current(tried.data)
    assert start(tried).path.read_bytes() == model_bytes(1)


def test_a_damaged_file_can_be_installed_again_since_it_was_the_cards_fault(
    scene: Scene, tried: Device
) -> None:
    tried.confirm()
    current(tried.data).write_bytes(b"rot")
    assert start(tried).path.read_bytes() == model_bytes(1)
    assert tried.install(scene.stick).version == 2
    assert start(tried).path.read_bytes() == model_bytes(2)


def test_a_damaged_only_model_is_refused(scene: Scene) -> None:
    current(scene.device.data).write_bytes(b"")
    with pytest.raises(no.InstalledModelDamaged):
        start(scene.device)


def test_a_model_that_is_gone_is_refused(scene: Scene) -> None:
    current(scene.device.data).unlink()
    with pytest.raises(no.InstalledModelDamaged):
        start(scene.device)


def test_a_disk_that_is_full_does_not_stop_the_service(
    tried: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    probation = start(tried)
    assert probation.path.read_bytes() == model_bytes(2)
    assert not probation.note(PROVEN_AFTER_S, PROVEN_AFTER_FIELDS)
    probation.stopped()
    assert serving.fall_back(tried.data, "it crashed").read_bytes() == model_bytes(1)
    monkeypatch.undo()
    assert probation.note(PROVEN_AFTER_S, PROVEN_AFTER_FIELDS)


def test_a_first_model_that_fails_has_no_other_to_go_back_to(scene: Scene, tmp_path: Path) -> None:
    fresh = Device(tmp_path / "fresh")
    fresh.trust(scene.forge)
    fresh.install(scene.stick)
    for _ in range(2 * MAX_STARTS):
        assert start(fresh).path.read_bytes() == model_bytes(2)
    with pytest.raises(no.NoEarlierModel):
        serving.fall_back(fresh.data, "it crashed")
    assert not start(fresh).note(PROVEN_AFTER_S, 40, FAILED_AFTER_FIELDS)
    assert fresh.store.load().on_trial


def test_a_person_can_go_back_and_forth_between_proven_models(tried: Device) -> None:
    tried.confirm()
    for version in (1, 2, 1):
        tried.store.change(state.roll_back)
        assert current(tried.data).read_bytes() == model_bytes(version)


def test_going_back_from_a_trial_does_not_offer_it_again(tried: Device) -> None:
    tried.store.change(state.roll_back)
    with pytest.raises(no.NoEarlierModel):
        tried.store.change(state.roll_back)


def test_a_second_trial_keeps_the_model_that_had_proven_itself(scene: Scene, tried: Device) -> None:
    scene.forge.add("smearnet", 3, model_bytes(3))
    scene.forge.bump()
    scene.write()
    tried.install(scene.stick)
    assert serving.fall_back(tried.data, "it crashed").read_bytes() == model_bytes(1)


# What the device holds, examined again.


@pytest.mark.parametrize("name", ["targets.json", "1.root.json"])
@pytest.mark.parametrize("data", [None, b"", b"{}", b"[" * 9_000])
def test_evidence_that_was_changed_or_lost_is_found(tried: Device, name: str, data: bytes | None) -> None:
    serves = tried.store.load().kept[0]
    path = tried.store.evidence / serves.sha256 / name
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    if name == "1.root.json":  # the trusted root is the device's own, not the one laid beside the model
        verify(tried.store, lambda _path: None)
        return
    with pytest.raises(no.EvidenceBroken):
        verify(tried.store, lambda _path: None)


def test_evidence_of_another_model_is_none(scene: Scene, tried: Device) -> None:
    serves, good = tried.store.load().kept
    for path in (tried.store.evidence / good.sha256).iterdir():
        (tried.store.evidence / serves.sha256 / path.name).write_bytes(path.read_bytes())
    with pytest.raises(no.EvidenceBroken):
        verify(tried.store, lambda _path: None)


def test_a_state_that_names_another_file_is_found_by_verify(tried: Device) -> None:
    """Whoever can write to the data folder can name any file there; signatures tell."""
    strange = model_bytes(8)
    import hashlib
    from dataclasses import replace

    sha256 = hashlib.sha256(strange).hexdigest()
    tried.store.keep_file(sha256, strange)
    tried.store.change(lambda s: replace(s, serving=replace(s.kept[0], sha256=sha256)))
    with pytest.raises(no.EvidenceBroken):
        verify(tried.store, lambda _path: None)


# The trusted root.


def roots(scene: Scene) -> dict[str, bytes]:
    from tests.edge.models.forge import signed

    whole = scene.forge.roots[1]
    return {
        "nothing": b"",
        "cut short": whole[:-20],
        "edited": whole.replace(b'"threshold":2', b'"threshold":1'),
        "below its threshold": signed(scene.forge.root, scene.forge.signers["root"][:1]),
        "a timestamp": scene.forge.metadata()["timestamp.json"],
        "endless": b" " * 300_000,
        "a bomb": b"[" * 100_000,
        "no text": b"\xff\xfe",
    }


@pytest.mark.parametrize("which", ["nothing", "cut short", "edited", "below its threshold", "a timestamp"])
def test_a_root_that_cannot_be_trusted_is_not(scene: Scene, tmp_path: Path, which: str) -> None:
    _not_trusted(scene, tmp_path, roots(scene)[which])


@pytest.mark.parametrize("which", ["endless", "a bomb", "no text"])
def test_a_file_that_is_no_root_is_not_trusted(scene: Scene, tmp_path: Path, which: str) -> None:
    _not_trusted(scene, tmp_path, roots(scene)[which])


def _not_trusted(scene: Scene, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "root.json"
    file.write_bytes(data)
    before = (scene.device.store.trust / "root.json").read_bytes()
    with pytest.raises(no.TrustUnusable):
        trust_root(scene.device.store, read_root(file), replace=True)
    assert (scene.device.store.trust / "root.json").read_bytes() == before


def test_a_trusted_root_that_rotted_on_the_device_is_said(scene: Scene) -> None:
    (scene.device.store.trust / "root.json").write_bytes(b"{")
    refused(scene, "trust-unusable")


# The clock, which a Raspberry Pi has no battery for.


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """The clock that python-tuf's client reads."""

    class Fake(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return now

    from types import SimpleNamespace

    from tuf.ngclient._internal import trusted_metadata_set

    monkeypatch.setattr(trusted_metadata_set, "datetime", SimpleNamespace(datetime=Fake, timezone=timezone))


@pytest.mark.parametrize(("days", "code"), [(101, "timestamp-expired"), (1000, "root-expired")])
def test_a_clock_far_ahead_makes_every_copy_look_old(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, days: int, code: str
) -> None:
    set_clock(monkeypatch, in_days(days))
    told = refused(scene, code, now=in_days(days))
    assert days == 1000 or "clock" in told.next_step


def test_a_stick_that_travelled_for_three_months_is_taken(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, in_days(92))
    assert scene.device.install(scene.stick, now=in_days(92)).version == 2


def test_a_model_that_serves_goes_on_for_years_without_any_repository(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, in_days(5000))
    assert start(scene.device).path.read_bytes() == model_bytes(1)
    assert verify(scene.device.store, lambda _path: None)


# Any order of events.

MODELS = [Installed(f"{n:064x}", "m", n, ("a", "b"), ("b",), f"m.v{n}.tflite", "", "") for n in range(1, 5)]
EVENTS: list[Callable[[State], State]] = [
    *(lambda s, m=model: state.switch(s, m) for model in MODELS),  # type: ignore[misc]
    state.begin,
    state.confirm,
    state.stopped,
    state.roll_back,
    lambda s: state.fall_back(s, "it crashed"),
]


@given(st.lists(st.integers(0, len(EVENTS) - 1), max_size=40))
def test_after_any_events_a_model_serves_and_the_state_survives_the_disk(events: list[int]) -> None:
    now = state.switch(State(), MODELS[0])
    proven = {None}
    for event in events:
        before = now
        try:
            now = EVENTS[event](now)
        except AllscopeError:
            assert now == before
        if not now.on_trial and now.serving is not None:
            proven.add(now.serving.sha256)
        assert now.serving is not None
        assert now.good is None or now.good.sha256 in proven
        assert now.starts is None or now.starts <= MAX_STARTS or now.good is None
        assert parse_state(format_state(now)) == now
