"""The ceremony: sealed keys, thresholds held, models examined before anybody signs, keys replaced."""

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allconvert.cli import app as convert_app
from allconvert.publishing import refusals
from allconvert.publishing.holders import Holders
from allconvert.publishing.keys import OFFLINE, ONLINE
from allconvert.publishing.publish import check_as_device, plain_name, publish_model
from allconvert.publishing.refusals import (
    KeysTooFew,
    KeyUnknown,
    KeyUnusable,
    RepositoryBusy,
    RepositoryChanged,
    RepositoryExists,
    RepositoryUnusable,
    RootUnknown,
    VersionPublished,
)
from allconvert.publishing.repository import Days, ModelRepository
from alledge import __version__
from alledge.cli import app as edge_app
from alledge.errors import AllscopeError, ModelNotInt8, SelfTestFailed, StorageFailed
from alledge.model_file import pack_model, parse_model
from alledge.models import refusals as no
from alledge.models.release import describe
from tests.conftest import REPOSITORY
from tests.edge.models.forge import Device, model_bytes, relabelled
from tests.edge.tiny_model import FLOAT, TinyNetwork, tiny_card

NOW = datetime.now(UTC)
WORD = "correct horse"


def opened(folder: Path, *keys: Path, now: datetime = NOW, word: str | None = WORD) -> ModelRepository:
    passphrase = None if word is None else word.encode()
    return ModelRepository(folder, Holders(keys, lambda _name, _is_new: passphrase), now)


def add(repository: ModelRepository, version: int, number: int | None = None) -> None:
    data = model_bytes(version)
    card = parse_model(data, "").card
    repository.add(data, describe(card, "smearnet", number or version, __version__, NOW))


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with v1, and its keys, after a ceremony; sealing keys takes a while on purpose."""
    base = tmp_path_factory.mktemp("ceremony")
    repository = opened(base / "repo", base / "keys")
    repository.create(base / "keys")
    add(repository, 1)
    return base


@pytest.fixture
def made(_made: Path, tmp_path: Path) -> Path:
    for name in ("repo", "keys"):
        shutil.copytree(_made / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def device(made: Path) -> Device:
    from alledge.models.trust import trust_root

    device = Device(made / "device" / "data")
    trust_root(device.store, (made / "repo" / "metadata" / "1.root.json").read_bytes())
    return device


def files_of(keys: Path, role: str) -> list[Path]:
    return sorted(keys.rglob(f"{role}.*.pem"))


def short(path: Path) -> str:
    return path.stem.rpartition(".")[2]


def test_what_was_published_is_installed(made: Path, device: Device) -> None:
    assert device.install(made / "repo", software=__version__).version == 1
    assert device.serves() == model_bytes(1)


def test_keys_are_sealed_private_and_offline_ones_lie_apart(made: Path) -> None:
    for role in (*OFFLINE, *ONLINE):
        found = files_of(made / "keys", role)
        assert len(found) == (3 if role in OFFLINE else 1)
        for path in found:
            assert path.parent.name == ("offline" if role in OFFLINE else "online")
            assert b"ENCRYPTED" in path.read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_private_key_lies_in_the_repository(made: Path) -> None:
    for path in (made / "repo").rglob("*.json"):
        assert b"PRIVATE" not in path.read_bytes()


def test_a_wrong_passphrase_signs_nothing(made: Path) -> None:
    before = sorted(path.name for path in (made / "repo").rglob("*"))
    with pytest.raises(KeyUnusable):
        add(opened(made / "repo", made / "keys", word="wrong"), 2)
    assert sorted(path.name for path in (made / "repo").rglob("*")) == before


def test_one_holder_alone_publishes_nothing(made: Path) -> None:
    for path in files_of(made / "keys", "targets")[1:]:
        path.unlink()
    with pytest.raises(KeysTooFew, match="2 keys must sign targets, 1 of"):
        add(opened(made / "repo", made / "keys"), 2)


def test_keys_are_gathered_from_the_stick_of_each_holder(made: Path, device: Device) -> None:
    for n, path in enumerate(files_of(made / "keys", "targets")[:2]):
        (made / f"stick{n}").mkdir()
        path.rename(made / f"stick{n}" / path.name)
    files_of(made / "keys", "targets")[0].unlink()
    add(opened(made / "repo", made / "keys" / "online", made / "stick0", made / "stick1"), 2)
    assert device.install(made / "repo", software=__version__).version == 2


def test_a_key_file_with_another_key_in_it_is_found(made: Path) -> None:
    first, second, third = files_of(made / "keys", "targets")
    first.write_bytes(third.read_bytes())
    second.write_bytes(third.read_bytes())
    with pytest.raises(KeyUnusable, match="another key"):
        add(opened(made / "repo", made / "keys"), 2)


def test_dates_are_renewed_with_the_online_keys_alone(made: Path, device: Device) -> None:
    later = opened(made / "repo", made / "keys" / "online", now=NOW + timedelta(days=50))
    later.refresh()
    assert device.install(made / "repo", software=__version__).version == 1


def test_an_expired_copy_is_refused_and_a_renewed_one_taken(made: Path, device: Device) -> None:
    opened(made / "repo", made / "keys", now=NOW - timedelta(days=150)).refresh()
    with pytest.raises(no.TimestampExpired):
        device.install(made / "repo", software=__version__)
    opened(made / "repo", made / "keys").refresh()
    assert device.install(made / "repo", software=__version__).version == 1


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_lost_key_of_any_role_is_replaced_and_devices_follow(made: Path, device: Device, role: str) -> None:
    device.install(made / "repo", software=__version__)
    lost = files_of(made / "keys", role)[0]
    lost.unlink()
    repository = opened(made / "repo", made / "keys")
    assert repository.rotate(role, short(lost), made / "keys") == 2
    add(repository, 2)
    check_as_device(made / "repo", "smearnet.v2.tflite")
    assert device.install(made / "repo", software=__version__).version == 2


def test_a_key_that_no_role_has_is_not_replaced(made: Path) -> None:
    for dropped in ("0000", "", "xyz"):
        with pytest.raises(KeyUnknown):
            opened(made / "repo", made / "keys").rotate("targets", dropped, made / "keys")


def test_a_root_near_its_date_is_renewed(made: Path, device: Device) -> None:
    assert opened(made / "repo", made / "keys").renew_root() == 2
    assert device.install(made / "repo", software=__version__).version == 1


def test_no_number_is_used_twice_not_even_a_withdrawn_one(made: Path) -> None:
    repository = opened(made / "repo", made / "keys")
    with pytest.raises(VersionPublished):
        add(repository, 2, number=1)
    with pytest.raises(VersionPublished):
        add(repository, 1, number=2)
    add(repository, 2)
    repository.withdraw("smearnet", 2)
    assert repository.offers() == ("smearnet.v1.tflite",)
    assert repository.next_version("smearnet") == 3
    with pytest.raises(RepositoryUnusable):
        repository.withdraw("smearnet", 2)


def test_a_repository_is_not_made_over_another(made: Path) -> None:
    with pytest.raises(RepositoryExists):
        opened(made / "repo", made / "keys").create(made / "keys")


def test_what_is_no_repository_is_said_to_be_none(tmp_path: Path, made: Path) -> None:
    with pytest.raises(RepositoryUnusable):
        opened(tmp_path / "empty", made / "keys").refresh()
    (made / "repo" / "metadata" / "timestamp.json").write_bytes(b"{")
    with pytest.raises(RepositoryUnusable):
        opened(made / "repo", made / "keys").refresh()


def test_two_people_do_not_publish_at_once(made: Path) -> None:
    first, second = (opened(made / "repo", made / "keys") for _ in range(2))
    with first._alone(), pytest.raises(RepositoryBusy):
        second.refresh()


@pytest.mark.parametrize("at", ["timestamp.json", "3.snapshot.json", "3.targets.json"])
def test_an_interrupted_publication_shows_the_old_state_and_can_be_done_again(
    made: Path, device: Device, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allconvert.publishing import repository as module

    write = module.write_whole

    def cut(path: Path, data: bytes) -> None:
        if path.name == at:
            raise StorageFailed("The disk is full.", "Make room.")
        write(path, data)

    repository = opened(made / "repo", made / "keys")
    monkeypatch.setattr(module, "write_whole", cut)
    with pytest.raises(StorageFailed):
        add(repository, 2)
    monkeypatch.undo()
    assert device.install(made / "repo", software=__version__).version == 1
    add(repository, 2, number=repository.next_version("smearnet"))
    assert device.install(made / "repo", software=__version__).version == 3


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (ModelNotInt8, FLOAT.build()),
        (
            SelfTestFailed,
            pack_model(TinyNetwork(seed=9).build(), tiny_card(), parse_model(model_bytes(2), "").golden),
        ),
    ],
    ids=["float", "wrong_golden_vectors"],
)
def test_a_model_that_fails_its_examination_is_not_signed(
    made: Path, kind: type[AllscopeError], data: bytes
) -> None:
    path = made / "bad.tflite"
    path.write_bytes(data)
    before = sorted(file.name for file in (made / "repo").rglob("*"))
    with pytest.raises(kind):
        publish_model(path, opened(made / "repo", made / "keys"), "smearnet", NOW)
    assert sorted(file.name for file in (made / "repo").rglob("*")) == before


@pytest.mark.parametrize("name", ["../x", "UPPER", "", "a b", "-x", "x" * 50])
def test_a_name_that_no_device_takes_is_not_signed(made: Path, name: str) -> None:
    path = made / "good.tflite"
    path.write_bytes(model_bytes(2))
    with pytest.raises(no.TargetUndescribed):
        publish_model(path, opened(made / "repo", made / "keys"), name, NOW)


def test_a_cards_name_becomes_one_that_a_file_can_have() -> None:
    assert plain_name("Smear Net 50 (Pi)") == "smear-net-50-pi"
    assert plain_name("白血病") == "model"


def test_the_days_of_a_stick_can_be_chosen(made: Path, device: Device) -> None:
    repository = ModelRepository(
        made / "repo", Holders([made / "keys"], lambda _name, _is_new: WORD.encode()), NOW, Days(timestamp=1)
    )
    repository.refresh()
    text = (made / "repo" / "metadata" / "timestamp.json").read_text()
    assert f"{NOW + timedelta(days=1):%Y-%m-%d}" in text


# The commands, as the engineer types them.


def run(*words: object, app: object = convert_app) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"ALLSCOPE_KEY_PASSPHRASE": WORD})  # type: ignore[arg-type]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_from_the_ceremony_to_a_device_that_goes_back(tmp_path: Path) -> None:
    repo, keys, data = tmp_path / "repo", tmp_path / "keys", tmp_path / "data"
    told = run("publish-init", "--repo", repo, "--keys", keys, "--holders", 2, "--threshold", 2)
    root = repo / "metadata" / "1.root.json"
    (tmp_path / "1.tflite").write_bytes(model_bytes(1))
    assert "v1: normal, blast" in run("publish", tmp_path / "1.tflite", "--repo", repo, "--keys", keys)
    trusted = run("model", "trust", root, "--data", data, app=edge_app)
    fingerprint = next(line for line in told.splitlines() if "sha256" in line).split()[1]
    assert fingerprint in trusted
    assert "root 2 of 2" in trusted
    assert "installed tiny v1" in run("model", "install", repo, "--data", data, app=edge_app)
    assert "serves already" in run("model", "install", repo, "--data", data, app=edge_app)
    card = parse_model(model_bytes(2), "").card  # examined once above, which takes its time
    opened(repo, keys).add(model_bytes(2), describe(card, "tiny", 2, __version__, NOW))
    Device(data).confirm()
    run("model", "pin", "--data", data, app=edge_app)
    run("model", "install", repo, "--data", data, app=edge_app)
    run("model", "pin", "--off", "--data", data, app=edge_app)
    assert "installed tiny v2" in run("model", "install", repo, "--data", data, app=edge_app)
    listed = run("model", "list", "--data", data, app=edge_app)
    assert "tiny v2" in listed
    assert "on trial" in listed
    assert "last good tiny v1" in listed
    assert run("model", "verify", "--data", data, app=edge_app).count("as signed") == 2
    assert "back to tiny v1" in run("model", "rollback", "--data", data, app=edge_app)
    run("publish-refresh", "--repo", repo, "--keys", keys, "--root")
    drop = short(files_of(keys, "timestamp")[0])
    assert "root v3" in run("publish-rotate", "timestamp", drop, "--repo", repo, "--keys", keys)
    run("publish-withdraw", "tiny", 2, "--repo", repo, "--keys", keys)
    run("model", "pin", "tiny", 1, "--data", data, app=edge_app)
    with pytest.raises(no.ModelPinned):
        run("model", "install", repo, "--version", 2, "--data", data, app=edge_app)


def test_no_process_that_is_started_at_the_desk_loads_code_from_where_one_stands(tmp_path: Path) -> None:
    """A holder may well stand in the folder of a stick, beside a `numpy.py` of somebody else's."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('code from the stick')")
    run("publish-init", "--repo", tmp_path / "repo", "--keys", tmp_path / "keys")
    asked = [sys.executable, "-m", "allconvert.isolated", "--help"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False, input="")
    assert "code from the stick" not in done.stderr


def test_private_keys_are_not_laid_where_they_would_be_copied_to_the_web(tmp_path: Path) -> None:
    words = ["publish-init", "--repo", str(tmp_path / "repo"), "--keys", str(tmp_path / "repo" / "keys")]
    result = CliRunner().invoke(convert_app, words, env={"ALLSCOPE_KEY_PASSPHRASE": WORD})
    assert result.exit_code == 2
    assert not (tmp_path / "repo").exists()


def test_only_online_keys_can_be_without_a_passphrase(tmp_path: Path) -> None:
    run("publish-init", "--repo", tmp_path / "repo", "--keys", tmp_path / "keys", "--no-passphrase")
    for path in (tmp_path / "keys").rglob("*.pem"):
        assert (b"ENCRYPTED" in path.read_bytes()) == (path.parent.name == "offline")
    result = CliRunner().invoke(
        convert_app,
        ["publish-refresh", "--repo", str(tmp_path / "repo"), "--keys", str(tmp_path / "keys" / "online")],
        env={"ALLSCOPE_KEY_PASSPHRASE": ""},
    )
    assert result.exit_code == 0, result.output


def test_a_new_passphrase_is_asked_for_twice(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        convert_app,
        ["publish-init", "--repo", str(tmp_path / "repo"), "--keys", str(tmp_path / "keys")],
        input="once\nother\n" * 3,
        env={"ALLSCOPE_KEY_PASSPHRASE": ""},
    )
    assert result.exit_code != 0
    assert "do not match" in result.output
    assert not list((tmp_path / "keys").rglob("*.pem"))


def test_labels_that_change_are_told_at_the_desk_as_well(made: Path, device: Device) -> None:
    device.install(made / "repo", software=__version__)
    data = relabelled(("blast", "normal"), ("normal",))
    card = parse_model(data, "").card
    opened(made / "repo", made / "keys").add(data, describe(card, "smearnet", 2, __version__, NOW))
    with pytest.raises(no.LabelsChanged, match="--accept-labels"):
        device.install(made / "repo", software=__version__)


# A repository that others can write to: nothing that they slipped in gets an honest signature.


def edit_public(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    told = json.loads(path.read_bytes())
    change(told["signed"])
    path.write_text(json.dumps(told))


def a_model_of_ones_own(repo: Path) -> None:
    def add_one(signed: dict[str, object]) -> None:
        listed = signed["targets"]
        assert isinstance(listed, dict)
        listed["smearnet.v9.tflite"] = listed["smearnet.v1.tflite"]

    edit_public(repo / "metadata" / "2.targets.json", add_one)


def a_threshold_of_one(repo: Path) -> None:
    def lower(signed: dict[str, object]) -> None:
        signed["version"] = 2
        roles = signed["roles"]
        assert isinstance(roles, dict)
        roles["targets"]["threshold"] = 1

    shutil.copy(repo / "metadata" / "1.root.json", repo / "metadata" / "2.root.json")
    edit_public(repo / "metadata" / "2.root.json", lower)


def numbers_run_forward(repo: Path) -> None:
    edit_public(repo / "metadata" / "timestamp.json", lambda signed: signed.update(version=2**31))


def another_snapshot(repo: Path) -> None:
    edit_public(repo / "metadata" / "2.snapshot.json", lambda signed: signed.update(version=2**31))


def a_root_of_ones_own(repo: Path) -> None:
    """A whole repository of the attacker's, that only the root beside the keys tells from theirs."""
    shutil.rmtree(repo)
    opened(repo, repo.parent / "theirs", word=None).create(repo.parent / "theirs")


def a_model_taken_off(repo: Path) -> None:
    edit_public(repo / "metadata" / "2.targets.json", lambda signed: signed.update(targets={}))


def another_first_root(repo: Path) -> None:
    """Which people would carry to new devices."""
    opened(repo.parent / "other", repo.parent / "theirs", word=None).create(repo.parent / "theirs")
    shutil.copy(repo.parent / "other" / "metadata" / "1.root.json", repo / "metadata")


SLIPPED_IN = (
    another_first_root,
    a_model_of_ones_own,
    a_model_taken_off,
    a_threshold_of_one,
    numbers_run_forward,
    another_snapshot,
    a_root_of_ones_own,
)


@pytest.mark.parametrize("slip_in", SLIPPED_IN, ids=lambda slip_in: slip_in.__name__)
def test_what_somebody_wrote_into_the_repository_is_not_signed_by_its_holders(
    made: Path, slip_in: Callable[[Path], None]
) -> None:
    slip_in(made / "repo")
    before = {path: path.read_bytes() for path in (made / "repo").rglob("*") if path.is_file()}
    repository = opened(made / "repo", made / "keys")
    for deed in (
        lambda: add(repository, 2),
        repository.refresh,
        repository.renew_root,
        repository.stage_root,
        lambda: repository.withdraw("smearnet", 1),
    ):
        with pytest.raises(RepositoryChanged):
            deed()
    assert {path: path.read_bytes() for path in (made / "repo").rglob("*") if path.is_file()} == before


def test_without_the_root_beside_the_keys_nothing_is_signed(made: Path) -> None:
    copies = list((made / "keys").rglob("1.root.json"))
    assert {copy.parent.name for copy in copies} == {"offline", "online"}
    copies[0].write_bytes(copies[0].read_bytes() + b"\n")
    with pytest.raises(RootUnknown, match="different"):
        opened(made / "repo", made / "keys").refresh()
    for copy in copies:
        copy.unlink()
    with pytest.raises(RootUnknown):
        opened(made / "repo", made / "keys").refresh()


def test_a_key_change_that_was_interrupted_can_be_ended(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from allconvert.publishing import repository as module

    write = module.write_whole

    def cut(path: Path, data: bytes) -> None:
        if path.name == "timestamp.json":
            raise StorageFailed("The disk is full.", "Make room.")
        write(path, data)

    lost = files_of(made / "keys", "timestamp")[0]
    lost.unlink()
    monkeypatch.setattr(module, "write_whole", cut)
    with pytest.raises(StorageFailed):
        opened(made / "repo", made / "keys").rotate("timestamp", short(lost), made / "keys")
    monkeypatch.undo()
    opened(made / "repo", made / "keys").refresh()
    check_as_device(made / "repo")


def test_files_of_odd_names_among_the_metadata_are_left_alone(made: Path, device: Device) -> None:
    for name in ("1-copy.root.json", "2 (1).root.json", "999.root.json.bak", ".2.root.json"):
        shutil.copy(made / "repo" / "metadata" / "1.root.json", made / "repo" / "metadata" / name)
    add(opened(made / "repo", made / "keys"), 2)
    assert device.install(made / "repo", software=__version__).version == 2


def test_each_code_of_the_desk_is_explained() -> None:
    text = (REPOSITORY / "docs" / "signed-models.md").read_text()
    kinds = [kind for kind in vars(refusals).values() if isinstance(kind, type)]
    codes = [kind.code for kind in kinds if kind.__module__ == refusals.__name__]
    assert len(codes) > 10
    assert [code for code in codes if f"`{code}`" not in text] == []
