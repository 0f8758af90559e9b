"""Attacks that The Update Framework names, each against a device that serves v1 and knows its publishers.

https://theupdateframework.io/docs/security/ lists them: arbitrary software, endless data, fast-forward,
freeze, malicious mirrors, mix-and-match, rollback, wrong and stolen keys. (Extraneous dependencies have no
counterpart: a model depends on nothing. Slow retrieval is in `test_attacks_by_servers`.)
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import MetaFile  # type: ignore[attr-defined]

from alledge.models.installing import Wish
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import NOW, Forge, in_days, keys_of, model_bytes, signed, strangers
from tests.edge.models.refusing import refused

Attack = Callable[[Scene], None]
ATTACKS: list[tuple[str, str, Attack]] = []


def attack(code: str) -> Callable[[Attack], Attack]:
    """Register an attack and the code that it must be refused with."""

    def register(function: Attack) -> Attack:
        ATTACKS.append((function.__name__, code, function))
        return function

    return register


def metadata(scene: Scene, name: str) -> Path:
    return scene.stick / "metadata" / name


def target(scene: Scene) -> Path:
    return next((scene.stick / "targets").glob("*.smearnet.v2.tflite"))


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the signed part of metadata without signing it again."""
    told = json.loads(path.read_bytes())
    change(told["signed"])
    path.write_text(json.dumps(told))


def resigned(scene: Scene) -> None:
    scene.forge.bind()
    scene.write()


# Arbitrary software, endless and damaged data.


@attack("target-changed")
def another_model_under_the_signed_name(scene: Scene) -> None:
    path = target(scene)
    path.write_bytes(bytes(reversed(path.read_bytes())))


@attack("target-changed")
def a_model_cut_short(scene: Scene) -> None:
    path = target(scene)
    path.write_bytes(path.read_bytes()[:-1])


@attack("target-changed")
def one_bit_of_a_model_flipped(scene: Scene) -> None:
    data = bytearray(target(scene).read_bytes())
    data[len(data) // 2] ^= 1
    target(scene).write_bytes(data)


@attack("target-changed")
def an_empty_model(scene: Scene) -> None:
    target(scene).write_bytes(b"")


@attack("target-changed")
def another_signed_model_under_this_name(scene: Scene) -> None:
    old = next((scene.stick / "targets").glob("*.smearnet.v1.tflite"))
    data = old.read_bytes()
    target(scene).write_bytes(data[: target(scene).stat().st_size].ljust(target(scene).stat().st_size))


@attack("download-endless")
def a_model_that_goes_on(scene: Scene) -> None:
    with target(scene).open("ab") as file:
        file.write(b"\0")


@attack("download-endless")
def a_timestamp_without_end(scene: Scene) -> None:
    metadata(scene, "timestamp.json").write_bytes(b" " * 20_000)


@attack("download-endless")
def a_snapshot_without_end(scene: Scene) -> None:
    metadata(scene, "3.snapshot.json").write_bytes(b" " * 70_000)


@attack("download-endless")
def a_list_of_models_without_end(scene: Scene) -> None:
    metadata(scene, "3.targets.json").write_bytes(b" " * 1_100_000)


@attack("download-endless")
def a_root_without_end(scene: Scene) -> None:
    metadata(scene, "2.root.json").write_bytes(b" " * 300_000)


@attack("source-incomplete")
def a_model_that_is_not_there(scene: Scene) -> None:
    target(scene).unlink()


@attack("source-incomplete")
def a_stick_without_timestamp(scene: Scene) -> None:
    metadata(scene, "timestamp.json").unlink()


@attack("source-incomplete")
def a_stick_without_the_list(scene: Scene) -> None:
    metadata(scene, "3.targets.json").unlink()


# Metadata that is none.


def replaced(name: str, data: bytes) -> Attack:
    def change(scene: Scene) -> None:
        metadata(scene, name).write_bytes(data)

    return change


for what, data in {
    "an_empty_timestamp": b"",
    "a_timestamp_of_zeros": bytes(500),
    "a_timestamp_cut_short": b'{"signatures": [], "signed": {"_type": "time',
    "a_json_bomb": b"[" * 16_000,
    "a_json_bomb_of_objects": b'{"a":' * 3_000,
    "a_list_instead_of_metadata": b"[1, 2, 3]",
    "not_a_number": b'{"signatures": [], "signed": NaN}',
    "no_utf_8": b"\xff\xfe\x00",
}.items():
    ATTACKS.append((what, "metadata-unreadable", replaced("timestamp.json", data)))


def field_of_timestamp(field: str, text: str) -> Attack:
    def change(scene: Scene) -> None:
        path = metadata(scene, "timestamp.json")
        told = json.loads(path.read_bytes())
        told["signed"][field] = "PLACE"
        path.write_text(json.dumps(told).replace('"PLACE"', text))

    return change


for what, field, text in (
    ("a_version_that_is_no_number", "version", "NaN"),
    ("a_version_of_five_thousand_digits", "version", "9" * 5_000),
    ("a_version_below_one", "version", "0"),
    ("a_version_in_words", "version", '"three"'),
    ("a_date_that_is_none", "expires", '"2030-02-31T00:00:00Z"'),
    ("an_infinite_date", "expires", "Infinity"),
    ("a_specification_of_the_future", "spec_version", '"99.0.0"'),
):
    ATTACKS.append((what, "metadata-unreadable", field_of_timestamp(field, text)))


@attack("metadata-unreadable")
def a_key_that_signs_twice(scene: Scene) -> None:
    path = metadata(scene, "3.targets.json")
    told = json.loads(path.read_bytes())
    told["signatures"] = [told["signatures"][0]] * 2
    path.write_text(json.dumps(told))


@attack("signatures-too-few")
def one_holder_under_two_names(scene: Scene) -> None:
    path = metadata(scene, "3.targets.json")
    told = json.loads(path.read_bytes())
    told["signatures"][1]["sig"] = told["signatures"][0]["sig"]
    path.write_text(json.dumps(told))


@attack("metadata-unreadable")
def a_root_that_names_a_key_twice_in_a_role(scene: Scene) -> None:
    def twice(signed_part: dict[str, object]) -> None:
        roles = signed_part["roles"]
        assert isinstance(roles, dict)
        roles["targets"]["keyids"] = [roles["targets"]["keyids"][0]] * 2
        signed_part["version"] = 2

    metadata(scene, "2.root.json").write_bytes(scene.forge.roots[1])
    edit(metadata(scene, "2.root.json"), twice)


@attack("signatures-too-few")
def a_role_written_twice_the_second_time_with_other_keys(scene: Scene) -> None:
    scene.forge.next_root(*scene.forge.signers["root"])
    text = scene.forge.roots[2].decode()
    end = text.index("}", text.index('"timestamp":{')) + 1
    added = f',"targets":{{"keyids":["{strangers()[0].public_key.keyid}"],"threshold":1}}'
    metadata(scene, "2.root.json").write_text(text[:end] + added + text[end:])


# Keys that are wrong, too few, stolen or revoked.


def signed_by_strangers(role: str) -> Attack:
    def change(scene: Scene) -> None:
        scene.forge.signers[role] = strangers()
        scene.write()

    return change


for role in ("timestamp", "snapshot", "targets"):
    ATTACKS.append((f"{role}_signed_by_strangers", "signatures-too-few", signed_by_strangers(role)))


def edited_after_signing(name: str) -> Attack:
    def change(scene: Scene) -> None:
        edit(metadata(scene, name), lambda part: part.update(expires="2099-01-01T00:00:00Z"))

    return change


for name in ("timestamp.json", "3.snapshot.json", "3.targets.json"):
    ATTACKS.append((f"a_later_date_written_into_{name}", "signatures-too-few", edited_after_signing(name)))


@attack("signatures-too-few")
def metadata_without_any_signature(scene: Scene) -> None:
    path = metadata(scene, "timestamp.json")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "signatures": []}))


@attack("signatures-too-few")
def a_list_below_its_threshold(scene: Scene) -> None:
    scene.forge.signers["targets"] = scene.forge.signers["targets"][:1]
    scene.write()


@attack("signatures-too-few")
def a_root_below_its_threshold(scene: Scene) -> None:
    scene.forge.next_root(scene.forge.signers["root"][0])
    scene.write()


@attack("signatures-too-few")
def a_root_of_strangers(scene: Scene) -> None:
    scene.forge.next_root(*strangers())
    scene.write()


@attack("signatures-too-few")
def a_root_that_new_holders_sign_without_the_old(scene: Scene) -> None:
    for old, new in zip(keys_of("root", 3), strangers(), strict=True):
        scene.forge.swap_key("root", old, new)
    scene.forge.next_root(*strangers()[:2])
    scene.write()


@attack("signatures-too-few")
def a_root_that_its_own_new_holders_did_not_sign(scene: Scene) -> None:
    for old, new in zip(keys_of("root", 3), strangers(), strict=True):
        scene.forge.swap_key("root", old, new)
    scene.forge.next_root(*keys_of("root", 3)[:2])
    scene.write()


@attack("signatures-too-few")
def online_keys_used_for_the_list(scene: Scene) -> None:
    scene.forge.signers["targets"] = (*keys_of("snapshot", 1), *keys_of("timestamp", 1))
    scene.write()


@attack("signatures-too-few")
def both_online_keys_stolen_and_a_list_of_ones_own(scene: Scene) -> None:
    scene.forge.add("smearnet", 3, model_bytes(3))
    scene.forge.bump()
    scene.forge.signers["targets"] = strangers()
    scene.write()


@attack("signatures-too-few")
def a_timestamp_key_used_after_it_was_revoked(scene: Scene) -> None:
    stolen = keys_of("timestamp", 1)[0]
    scene.forge.swap_key("timestamp", stolen, strangers()[0])
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.forge.signers["timestamp"] = (stolen,)
    scene.write()


@attack("signatures-too-few")
def two_stolen_list_keys_of_which_one_was_revoked(scene: Scene) -> None:
    stolen = scene.forge.signers["targets"]
    scene.forge.swap_key("targets", stolen[0], strangers()[0])
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.forge.signers["targets"] = stolen
    scene.write()


# Rollback.


@attack("metadata-too-old")
def an_older_timestamp(scene: Scene) -> None:
    scene.forge.timestamp.version = 1
    resigned(scene)


@attack("metadata-too-old")
def a_newer_timestamp_that_names_an_older_snapshot(scene: Scene) -> None:
    scene.forge.snapshot.version = 1
    resigned(scene)


@attack("metadata-too-old")
def a_newer_snapshot_that_names_an_older_list(scene: Scene) -> None:
    scene.forge.targets.version = 1
    resigned(scene)


@attack("metadata-too-old")
def the_first_root_offered_as_the_second(scene: Scene) -> None:
    metadata(scene, "2.root.json").write_bytes(scene.forge.roots[1])


@attack("metadata-mixed")
def a_root_that_skips_a_version(scene: Scene) -> None:
    scene.forge.root.version = 3
    metadata(scene, "2.root.json").write_bytes(signed(scene.forge.root, scene.forge.signers["root"]))


@attack("metadata-missing")
def a_snapshot_that_leaves_out_the_list(scene: Scene) -> None:
    scene.forge.snapshot.meta.clear()
    scene.forge.snapshot.meta["other.json"] = MetaFile(1)
    scene.write()


# Mix and match.


@attack("metadata-mixed")
def a_snapshot_of_another_state(scene: Scene) -> None:
    scene.forge.snapshot.version = 2
    scene.forge.snapshot.meta["targets.json"] = MetaFile(2)
    metadata(scene, "3.snapshot.json").write_bytes(
        signed(scene.forge.snapshot, scene.forge.signers["snapshot"])
    )


@attack("metadata-mixed")
def a_list_of_another_state(scene: Scene) -> None:
    scene.forge.targets.version = 2
    metadata(scene, "3.targets.json").write_bytes(signed(scene.forge.targets, scene.forge.signers["targets"]))


@attack("metadata-mixed")
def a_snapshot_other_than_its_hash(scene: Scene) -> None:
    scene.forge.timestamp.snapshot_meta = MetaFile(3, length=None, hashes={"sha256": "0" * 64})
    scene.write()


@attack("metadata-mixed")
def a_list_other_than_its_hash(scene: Scene) -> None:
    scene.forge.snapshot.meta["targets.json"] = MetaFile(3, hashes={"sha256": "0" * 64})
    scene.write()


@attack("metadata-mixed")
def a_list_shorter_than_is_signed(scene: Scene) -> None:
    scene.forge.snapshot.meta["targets.json"] = MetaFile(3, length=100_000)
    scene.write()


@attack("metadata-other-role")
def a_timestamp_offered_as_snapshot(scene: Scene) -> None:
    metadata(scene, "3.snapshot.json").write_bytes(metadata(scene, "timestamp.json").read_bytes())


@attack("metadata-other-role")
def a_list_offered_as_root(scene: Scene) -> None:
    metadata(scene, "2.root.json").write_bytes(metadata(scene, "3.targets.json").read_bytes())


# Freeze: each role past its date.


def expired(role: str) -> Attack:
    def change(scene: Scene) -> None:
        getattr(scene.forge, role).expires = NOW - timedelta(seconds=1)
        if role == "root":
            scene.forge.next_root(*scene.forge.signers["root"])
        scene.write()

    return change


for role in ("root", "timestamp", "snapshot", "targets"):
    ATTACKS.append((f"an_expired_{role}", f"{role}-expired", expired(role)))


@attack("timestamp-expired")
def a_frozen_copy_that_was_seen_before(scene: Scene) -> None:
    scene.device.install(scene.stick)
    scene.device.confirm()
    scene.forge.timestamp.expires = in_days(-1)
    scene.forge.timestamp.version += 1
    scene.write()


# Files that were never signed.


@attack("model-unknown")
def a_model_laid_beside_the_signed_ones(scene: Scene) -> None:
    (scene.stick / "targets" / f"{'0' * 64}.smearnet.v9.tflite").write_bytes(model_bytes(9))
    scene.notes["wish"] = Wish(version=9)


@pytest.mark.parametrize(("code", "change"), [pytest.param(code, f, id=name) for name, code, f in ATTACKS])
def test_it_is_refused_and_the_old_model_serves(scene: Scene, code: str, change: Attack) -> None:
    change(scene)
    wish = scene.notes.get("wish")
    assert wish is None or isinstance(wish, Wish)
    refused(scene, code, wish)


def test_attacks_have_names_of_their_own() -> None:
    names = [name for name, _, _ in ATTACKS]
    assert len(set(names)) == len(names) >= 60


def test_after_an_attack_the_honest_copy_is_taken(scene: Scene) -> None:
    honest = Forge()
    a_json = metadata(scene, "timestamp.json").read_bytes()
    metadata(scene, "timestamp.json").write_bytes(b"[" * 16_000)
    refused(scene, "metadata-unreadable")
    metadata(scene, "timestamp.json").write_bytes(a_json)
    assert scene.device.install(scene.stick).version == 2
    assert honest.root.version == 1


def test_a_mirror_that_hides_the_new_root_does_not_bring_a_revoked_key_back(scene: Scene) -> None:
    stolen = keys_of("timestamp", 1)[0]
    scene.forge.swap_key("timestamp", stolen, strangers()[0])
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.write()
    scene.device.install(scene.stick)
    scene.device.confirm()
    scene.forge.roots.pop(2)
    scene.forge.signers["timestamp"] = (stolen,)
    scene.forge.timestamp.version += 1
    scene.write()
    refused(scene, "signatures-too-few")


def test_a_new_root_is_remembered_though_the_rest_of_the_copy_is_refused(scene: Scene) -> None:
    stolen = keys_of("timestamp", 1)[0]
    scene.forge.swap_key("timestamp", stolen, strangers()[0])
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.write()
    metadata(scene, "timestamp.json").unlink()
    refused(scene, "source-incomplete")
    scene.forge.roots.pop(2)
    scene.forge.signers["timestamp"] = (stolen,)
    scene.write()
    refused(scene, "signatures-too-few")


def test_a_fast_forward_with_a_stolen_key_ends_when_the_key_is_changed(scene: Scene) -> None:
    honest_version = scene.forge.timestamp.version
    scene.forge.timestamp.version = 2**31 - 1
    resigned(scene)
    scene.device.install(scene.stick)
    scene.device.confirm()
    scene.forge.timestamp.version = honest_version
    scene.forge.bump()
    scene.write()
    refused(scene, "metadata-too-old")
    scene.forge.swap_key("timestamp", keys_of("timestamp", 1)[0], strangers()[0])
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.forge.add("smearnet", 3, model_bytes(3))
    scene.forge.bump()
    scene.write()
    assert scene.device.install(scene.stick).version == 3


def test_a_device_that_slept_through_many_roots_follows_all_of_them(scene: Scene) -> None:
    for _ in range(5):
        scene.forge.next_root(*scene.forge.signers["root"])
    scene.write()
    assert scene.device.install(scene.stick).version == 2


def test_an_expired_root_in_between_does_not_matter_when_the_last_one_holds(scene: Scene) -> None:
    scene.forge.root.expires = in_days(-30)
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.forge.root.expires = in_days(30)
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.write()
    assert scene.device.install(scene.stick).version == 2


def test_metadata_lost_on_the_device_is_fetched_again(scene: Scene) -> None:
    for path in (scene.device.store.trust / "metadata").rglob("*.json"):
        path.write_bytes(b"")
    assert scene.device.install(scene.stick).version == 2
