"""What is signed, but should not have been: names, descriptions and files that a device must not take.

Whoever holds enough keys can sign anything; these refusals guard against slips of the honest, and bound
what the dishonest can do.
"""

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.card import Card
from alledge.classifier import installed_runtimes
from alledge.errors import AllscopeError, SelfTestFailed
from alledge.model_file import (
    CARD_NAME,
    GOLDEN_NAME,
    SEAL_HEX,
    SEAL_PREFIX,
    _seal_of,
    pack_model,
    parse_model,
)
from alledge.models import refusals as no
from alledge.models.examining import examine, prove, prove_apart
from alledge.models.installing import Wish
from alledge.models.release import Release, describe, read_release, software_order
from alledge.models.state import MAX_FAILED
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import NOW, SOFTWARE, in_days, model_bytes, relabelled
from tests.edge.models.refusing import refused
from tests.edge.tiny_model import FLOAT, TinyNetwork, tiny_card, tiny_golden

LABELS = ("normal", "blast")


def released(scene: Scene, data: bytes, card: Card | None = None, version: int = 3) -> None:
    scene.forge.add("smearnet", version, data, card or tiny_card())
    scene.forge.bump()
    scene.write()


# Names of files.

UNSAFE = {
    "out_of_the_folder": "../smearnet.v3.tflite",
    "far_out_of_the_folder": "../../../../etc/cron.d/smearnet.v3.tflite",
    "absolute": "/smearnet.v3.tflite",
    "in_a_subfolder": "sub/smearnet.v3.tflite",
    "hidden": ".smearnet.v3.tflite",
    "like_an_option": "-smearnet.v3.tflite",
    "with_a_zero_byte": "smear\0net.v3.tflite",
    "with_a_line_break": "smearnet\n.v3.tflite",
    "with_a_percent_escape": "%2e%2e%2fsmearnet.v3.tflite",
    "with_a_backslash": "..\\smearnet.v3.tflite",
    "in_capitals": "SMEARNET.v3.tflite",
    "of_look_alike_letters": "smеarnet.v3.tflite",  # noqa: RUF001 - a Cyrillic letter is the point
    "of_another_type": "smearnet.v3.py",
    "without_a_version": "smearnet.tflite",
    "of_version_nought": "smearnet.v0.tflite",
    "with_a_leading_nought": "smearnet.v03.tflite",
    "endless": f"{'a' * 300}.v3.tflite",
    "empty": "",
}


@pytest.mark.parametrize("path", UNSAFE.values(), ids=UNSAFE)
def test_a_signed_name_that_no_model_of_ours_has_is_refused(scene: Scene, path: str) -> None:
    custom = describe(tiny_card(), "smearnet", 3, SOFTWARE, NOW).as_custom()
    target = scene.forge.add_raw("smearnet.v3.tflite", model_bytes(3), custom)
    del scene.forge.targets.targets[target.path]
    target.path = path
    scene.forge.targets.targets[path] = target
    scene.forge.bump()
    scene.write()
    refused(scene, "target-name-unsafe")


# Descriptions.


def told(**changes: object) -> dict[str, object]:
    custom = describe(tiny_card(), "smearnet", 3, SOFTWARE, NOW).as_custom()["allscope"]
    assert isinstance(custom, dict)
    return {"allscope": {**custom, **changes}}


UNDESCRIBED: dict[str, object] = {
    "missing": None,
    "a_text": "smearnet",
    "empty": {},
    "of_another_program": {"other": {}},
    "with_an_unknown_field": told(run_after="rm -rf /"),
    "of_another_version_than_its_name": told(version=4),
    "of_another_name": told(name="smearnot"),
    "of_an_endless_version": told(version=10**30),
    "of_a_version_in_words": told(version="3"),
    "of_a_version_that_is_true": told(version=True),
    "with_one_label": told(labels=["blast"]),
    "with_a_label_twice": told(labels=["blast", "blast"]),
    "with_labels_in_one_text": told(labels="normal, blast"),
    "with_thousands_of_labels": told(labels=[f"label {n}" for n in range(2000)]),
    "with_an_endless_label": told(labels=["normal", "b" * 10_000]),
    "with_a_label_that_moves_the_cursor": told(labels=["normal", "\x1b[2Jblast"]),
    "positive_for_an_unknown_label": told(positive_labels=["lymphoma"]),
    "positive_for_all_labels": told(positive_labels=[*LABELS]),
    "with_a_patch_in_numbers": told(patch={"um": 20, "px": 50}),
    "with_software_in_words": told(min_software="the newest"),
    "with_software_of_endless_digits": told(min_software="9" * 150),
    "signed_on_no_day": told(published_utc="yesterday"),
    "signed_in_no_time_zone": told(published_utc="2026-01-01T00:00:00"),
    "signed_on_an_endless_day": told(published_utc="9" * 100),
}


@pytest.mark.parametrize("custom", UNDESCRIBED.values(), ids=UNDESCRIBED)
def test_a_signed_description_that_says_too_little_or_the_impossible_is_refused(
    scene: Scene, custom: object
) -> None:
    scene.forge.add_raw("smearnet.v3.tflite", model_bytes(3), custom)
    scene.forge.bump()
    scene.write()
    refused(scene, "target-undescribed")


def test_a_number_that_is_none_is_no_version() -> None:
    for value in (float("nan"), float("inf"), 3.0):
        with pytest.raises(no.TargetUndescribed):
            read_release("smearnet.v3.tflite", told(version=value))


def test_a_hash_that_is_no_sha256_is_refused(scene: Scene) -> None:
    scene.forge.targets.targets["smearnet.v2.tflite"].hashes = {"md5": "0" * 32}
    scene.forge.bump()
    scene.write()
    refused(scene, "target-undescribed")


def test_a_model_larger_than_a_device_takes_is_refused_before_it_is_fetched(scene: Scene) -> None:
    scene.forge.targets.targets["smearnet.v2.tflite"].length = 2**40
    scene.forge.bump()
    scene.write()
    refused(scene, "target-too-large")


def test_a_model_that_needs_newer_software_is_refused(scene: Scene) -> None:
    released(scene, model_bytes(3))
    refused(scene, "software-too-old", software="0.0.9")


@pytest.mark.parametrize(
    ("older", "newer"), [("0.9", "0.10"), ("0.1.0", "0.1.1"), ("1", "1.0.1"), ("0.1.0", "1.0.0.dev1")]
)
def test_versions_of_software_compare_as_numbers(older: str, newer: str) -> None:
    assert software_order(older) < software_order(newer)
    assert software_order("0.1") == software_order("0.1.0")


@pytest.mark.parametrize(
    ("field", "value"),
    [("um", "25.0"), ("px", "64"), ("colour_order", "BGR"), ("illumination_version", "plasma-2")],
)
def test_a_model_for_patches_cut_otherwise_is_refused(scene: Scene, field: str, value: str) -> None:
    release = describe(tiny_card(), "smearnet", 3, SOFTWARE, NOW)
    other = replace(release, patch={**release.patch, field: value})
    scene.forge.add_raw(release.target, model_bytes(3), other.as_custom())
    scene.forge.bump()
    scene.write()
    refused(scene, "patch-contract-differs")


# Labels and identity.


def test_labels_swapped_in_the_file_are_refused(scene: Scene) -> None:
    released(scene, relabelled(("blast", "normal"), ("blast",)))
    refused(scene, "labels-swapped")


def test_another_label_made_positive_in_the_file_is_refused(scene: Scene) -> None:
    released(scene, relabelled(("normal", "blast"), ("normal",)))
    refused(scene, "labels-swapped")


def test_labels_swapped_against_the_model_that_serves_are_refused(scene: Scene) -> None:
    data = relabelled(("blast", "normal"), ("blast",))
    released(scene, data, parse_model(data, "").card)
    refused(scene, "labels-changed")


def test_another_model_under_the_signed_description_is_refused(scene: Scene) -> None:
    released(scene, model_bytes(3), replace(tiny_card(), name="another"))
    refused(scene, "release-differs")


# The device's own past.


def test_an_older_version_is_refused_though_it_is_signed(scene: Scene) -> None:
    scene.device.install(scene.stick)
    scene.device.confirm()
    refused(scene, "model-older", Wish(version=1))


def test_a_withdrawn_model_does_not_bring_the_one_before_it_back(scene: Scene) -> None:
    scene.device.install(scene.stick)
    scene.device.confirm()
    del scene.forge.targets.targets["smearnet.v2.tflite"]
    scene.forge.bump()
    scene.write()
    refused(scene, "model-older")


def test_a_version_given_to_another_file_is_refused(scene: Scene) -> None:
    scene.forge.add("smearnet", 1, model_bytes(7))
    scene.forge.bump()
    scene.write()
    refused(scene, "version-reused", Wish(version=1))


def test_a_model_that_failed_here_is_not_taken_again_by_itself(scene: Scene) -> None:
    from alledge.models.serving import fall_back

    scene.device.install(scene.stick)
    fall_back(scene.device.data, "it crashed")
    refused(scene, "model-failed-here")
    assert scene.device.install(scene.stick, Wish(again=True)).version == 2
    assert MAX_FAILED >= 1


def test_a_device_held_to_one_model_takes_no_other(scene: Scene) -> None:
    from alledge.models.state import pin

    scene.device.store.change(lambda state: pin(state, "smearnet", 1))
    refused(scene, "model-pinned", Wish(version=2))
    assert scene.device.install(scene.stick).version == 1


def test_a_name_that_nobody_published_is_refused(scene: Scene) -> None:
    refused(scene, "model-unknown", Wish(name="other"))


def test_a_first_model_is_not_guessed_among_several_names(scene: Scene, tmp_path: Path) -> None:
    from tests.edge.models.forge import Device

    scene.forge.add("other", 1, model_bytes(5))
    scene.forge.bump()
    scene.write()
    fresh = Device(tmp_path / "fresh")
    fresh.trust(scene.forge)
    with pytest.raises(no.ModelAmbiguous):
        fresh.install(scene.stick)


def test_a_clock_before_the_day_of_signing_is_refused(scene: Scene) -> None:
    refused(scene, "clock-behind", now=in_days(-400))


def test_a_clock_in_the_wrong_time_zone_is_borne(scene: Scene) -> None:
    assert scene.device.install(scene.stick, now=in_days(-0.6)).version == 2


# The file itself.


def resealed(data: bytes) -> bytes:
    unsealed = data[:-SEAL_HEX]
    return unsealed + _seal_of(unsealed)


def zipped(entries: list[tuple[zipfile.ZipInfo | str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
    """The flatbuffer of an honest model before another zip, sealed."""
    buffer = io.BytesIO(parse_model(model_bytes(3), "").flatbuffer)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", how) as archive:
        for name, part in entries:
            archive.writestr(name, part)
        archive.comment = SEAL_PREFIX + b"0" * SEAL_HEX
    return resealed(buffer.getvalue())


def parts() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(model_bytes(3))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_card(change: Callable[[str], str]) -> bytes:
    card = change(parts()[CARD_NAME].decode())
    return zipped([(CARD_NAME, card.encode()), (GOLDEN_NAME, parts()[GOLDEN_NAME])])


def with_golden(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return zipped([(CARD_NAME, parts()[CARD_NAME]), (GOLDEN_NAME, buffer.getvalue())])


def card_field(field: str, value: object) -> Callable[[str], str]:
    return lambda text: json.dumps({**json.loads(text), field: value})


def link_entry() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(CARD_NAME)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def pickled() -> bytes:
    trap = np.empty(1, dtype=object)
    trap[0] = print
    return with_golden(patches=trap, outputs=trap)


def lies_about_sizes() -> bytes:
    """A golden.npz that says it is small, and unpacks to 200 MB of zeros."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("patches.npy", bytes(200 * 2**20))
    return zipped([(CARD_NAME, parts()[CARD_NAME]), (GOLDEN_NAME, inner.getvalue())])


def bomb_card() -> bytes:
    return zipped([(CARD_NAME, bytes(80 * 2**20)), (GOLDEN_NAME, b"")], zipfile.ZIP_DEFLATED)


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "no_model": ("model-unreadable", lambda: b"#!/bin/sh\nreboot\n"),
    "nothing": ("model-unreadable", lambda: b""),
    "float": ("model-not-int8", lambda: FLOAT.build()),
    "plain_int8_without_card": ("model-unreadable", lambda: TinyNetwork().build()),
    "cut_short_before_it_was_signed": ("model-damaged", lambda: model_bytes(3)[:-100]),
    "changed_before_it_was_signed": (
        "model-damaged",
        lambda: model_bytes(3)[:999] + b"!" + model_bytes(3)[1000:],
    ),
    "with_a_second_file_behind": ("model-damaged", lambda: model_bytes(3) + b"#!/bin/sh\n"),
    "without_golden_vectors": ("model-unreadable", lambda: zipped([(CARD_NAME, parts()[CARD_NAME])])),
    "without_card": ("model-unreadable", lambda: zipped([(GOLDEN_NAME, parts()[GOLDEN_NAME])])),
    "with_one_more_member": ("model-unreadable", lambda: zipped([*parts().items(), ("setup.py", b"")])),
    "with_a_member_that_leads_out": (
        "model-unreadable",
        lambda: zipped([*parts().items(), ("../../x", b"")]),
    ),
    "with_a_card_that_is_a_link": (
        "model-unreadable",
        lambda: zipped([(link_entry(), b"/etc/passwd"), (GOLDEN_NAME, parts()[GOLDEN_NAME])]),
    ),
    "a_zip_bomb_for_a_card": ("model-unreadable", bomb_card),
    "a_zip_bomb_for_golden_vectors": ("model-unreadable", lies_about_sizes),
    "golden_vectors_that_run_code": ("model-unreadable", pickled),
    "golden_vectors_too_few": (
        "model-unreadable",
        lambda: with_golden(patches=np.zeros((3, 50, 50, 3), np.uint8), outputs=np.zeros((3, 2), np.int8)),
    ),
    "golden_vectors_of_numbers_that_are_none": (
        "model-unreadable",
        lambda: with_golden(
            patches=np.full((256, 50, 50, 3), np.nan, np.float32), outputs=np.zeros((256, 2), np.int8)
        ),
    ),
    "a_card_with_a_temperature_that_is_none": (
        "model-unreadable",
        lambda: with_card(lambda text: text.replace('"temperature": 1.0', '"temperature": NaN')),
    ),
    "a_card_with_an_endless_temperature": (
        "model-unreadable",
        lambda: with_card(lambda text: text.replace('"temperature": 1.0', '"temperature": 1e999')),
    ),
    "a_card_that_names_a_field_twice": (
        "model-unreadable",
        lambda: with_card(lambda text: text.replace("{", '{"name": "other",', 1)),
    ),
    "a_card_nested_without_end": ("model-unreadable", lambda: with_card(lambda _text: '{"a":' * 9_000)),
    "a_card_for_other_patches": (
        "model-unreadable",
        lambda: with_card(card_field("patch", {"um": 25.0, "px": 50, "colour_order": "RGB"})),
    ),
    "a_card_that_is_not_for_research": (
        "model-unreadable",
        lambda: with_card(card_field("research_use_only", False)),
    ),
}


@pytest.mark.parametrize(("code", "build"), FILES.values(), ids=FILES)
def test_a_signed_file_that_is_no_honest_model_is_refused(
    scene: Scene, code: str, build: Callable[[], bytes]
) -> None:
    released(scene, build())
    refused(scene, code)


def test_a_model_with_more_labels_than_outputs_is_refused(scene: Scene) -> None:
    three = replace(tiny_card(), labels=("normal", "reactive", "blast"))
    golden = io.BytesIO()
    np.savez_compressed(
        golden,
        patches=tiny_golden().patches,
        outputs=np.zeros((256, 3), np.int8),
        decision_sha256=np.array([""]),
    )
    data = zipped([(CARD_NAME, three.to_json().encode()), (GOLDEN_NAME, golden.getvalue())])
    released(scene, data, three)
    refused(scene, "model-labels-differ", Wish(accept_labels=True))


# Golden vectors on the device's own runtime, in a process of its own.

needs_runtime = pytest.mark.skipif(not installed_runtimes(), reason="no TFLite runtime is installed")


@needs_runtime
def test_an_honest_model_answers_its_golden_vectors_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(model_bytes(2))
    prove_apart(path)


def _prove_here(path: Path) -> None:
    prove(path)


@needs_runtime
def test_a_model_that_answers_otherwise_on_this_machine_is_refused(tmp_path: Path) -> None:
    data = pack_model(TinyNetwork(seed=9).build(), tiny_card(), parse_model(model_bytes(2), "").golden)
    release = describe(tiny_card(), "smearnet", 3, SOFTWARE, NOW)
    with pytest.raises(SelfTestFailed):
        examine(data, release, tmp_path, _prove_here)
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    with pytest.raises(SelfTestFailed, match=r"off by|otherwise"):
        prove_apart(path)


@needs_runtime
@pytest.mark.parametrize("last_words", ["kill -SEGV $$", "exit 1", "kill -KILL $$", "exit 0", "exit 3"])
def test_a_model_that_takes_the_runtime_down_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_words: str
) -> None:
    dying = tmp_path / "python"
    dying.write_text(f"#!/bin/sh\n{last_words}\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    with pytest.raises(no.ExaminationBroke):
        prove_apart(tmp_path / "model.tflite")


@needs_runtime
@pytest.mark.parametrize("module", ["numpy", "json", "alledge", "sitecustomize"])
def test_code_on_the_stick_is_not_run_by_who_stands_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / f"{module}.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise SystemExit(0)\n"
    )
    (tmp_path / "model.tflite").write_bytes(model_bytes(2))
    monkeypatch.chdir(tmp_path)
    prove_apart(tmp_path / "model.tflite")
    assert not (tmp_path / "ran").exists()


@needs_runtime
def test_a_model_that_takes_too_long_a_cell_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(model_bytes(2))
    prove(path)
    ticks = iter((100.0, 100.0 + 256 * 0.11))
    monkeypatch.setattr(time, "process_time", lambda: next(ticks))
    with pytest.raises(no.ModelTooSlow, match=r"0\.11 s a cell"):
        prove(path)


@needs_runtime
def test_a_model_that_computes_for_ever_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    monkeypatch.setattr("alledge.models.examining.LIMIT_S", 0.5)
    with pytest.raises(no.ExaminationBroke, match=r"within 0\.5 s"):
        prove_apart(tmp_path / "model.tflite")


def test_a_refused_examination_leaves_the_old_model(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from alledge.models.fetching import FolderFetcher
    from alledge.models.installing import install

    def fails(_path: Path) -> None:
        raise SelfTestFailed("It answers otherwise.", "Tell who publishes it.")

    with pytest.raises(AllscopeError) as refusal:
        install(scene.device.store, FolderFetcher(scene.stick), None, NOW, fails, SOFTWARE)
    assert refusal.value.code == "self-test-failed"
    assert scene.device.serves() == model_bytes(1)
    kept = [path.stem for path in scene.device.store.files.iterdir()]
    assert kept == [model.sha256 for model in scene.device.store.load().kept]


def test_a_release_survives_the_way_through_signed_json() -> None:
    release = describe(tiny_card(), "smearnet", 3, SOFTWARE, NOW)
    back = read_release(release.target, json.loads(json.dumps(release.as_custom())))
    assert back == release
    assert isinstance(back, Release)
