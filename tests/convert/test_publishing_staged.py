"""Holders in different places: each signs what he sees, on a copy, and no copy can be changed in between."""

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allconvert.cli import app as convert_app
from allconvert.publishing.holders import Holders
from allconvert.publishing.publish import sign_staged
from allconvert.publishing.refusals import (
    AlreadySigned,
    KeysTooFew,
    NotConfirmed,
    NothingStaged,
    StagedAlready,
    StagedChanged,
    StagedOutdated,
)
from allconvert.publishing.repository import ModelRepository
from allconvert.publishing.staging import Staged
from alledge import __version__
from alledge.errors import AllscopeError, SelfTestFailed, StorageFailed
from alledge.model_file import pack_model, parse_model
from alledge.models import refusals as no
from alledge.models.release import describe
from alledge.models.trust import trust_root
from tests.convert.test_publishing import NOW, WORD, files_of, opened
from tests.edge.models.forge import Device, model_bytes, relabelled
from tests.edge.tiny_model import TinyNetwork, tiny_card


def describes(version: int, data: bytes | None = None) -> tuple[bytes, object]:
    data = data or model_bytes(version)
    return data, describe(parse_model(data, "").card, "smearnet", version, __version__, NOW)


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with v1; three holders, each with a folder of their own; the online keys apart."""
    base = tmp_path_factory.mktemp("holders")
    repository = opened(base / "repo", base / "keys", word=None)
    repository.create(base / "keys")
    repository.add(*describes(1))  # type: ignore[arg-type]
    for role in ("root", "targets"):
        for number, path in enumerate(files_of(base / "keys", role), start=1):
            holder = base / f"holder{number}"
            holder.mkdir(exist_ok=True)
            path.rename(holder / path.name)
            shutil.copy(base / "keys" / "offline" / "1.root.json", holder)
    (base / "keys" / "online").rename(base / "online")
    shutil.rmtree(base / "keys")
    return base


@pytest.fixture
def made(_made: Path, tmp_path: Path) -> Path:
    for name in ("repo", "holder1", "holder2", "holder3", "online"):
        shutil.copytree(_made / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def device(made: Path) -> Device:
    device = Device(made / "device" / "data")
    trust_root(device.store, (made / "repo" / "metadata" / "1.root.json").read_bytes())
    return device


def desk(made: Path, *who: str, now: datetime = NOW) -> ModelRepository:
    return ModelRepository(
        made / "repo", Holders([made / name for name in who], lambda _name, _is_new: None), now
    )


def stage(made: Path, version: int = 2, who: str = "holder1") -> Staged:
    return desk(made, who).stage(*describes(version))  # type: ignore[arg-type]


def sign(made: Path, *who: str) -> bool:
    """Sign without looking at golden vectors again, which takes its time; gives whether it is public."""
    return desk(made, *who).sign(lambda _staged: None)[1]


def staged_list(made: Path) -> Path:
    return made / "repo" / "staged" / "3.targets.json"


def public(made: Path) -> dict[str, bytes]:
    """All that a device reads."""
    folders = (made / "repo" / "metadata", made / "repo" / "targets")
    return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}


def test_what_is_staged_is_shown_to_no_device(made: Path, device: Device) -> None:
    before = public(made)
    staged = stage(made)
    assert staged.missing == 1
    assert public(made) == before
    assert device.install(made / "repo", software=__version__).version == 1


def test_two_holders_and_the_online_keys_in_three_places_make_it_public(made: Path, device: Device) -> None:
    stage(made)
    shutil.copytree(made / "repo", made / "elsewhere" / "repo")
    (made / "holder2").rename(made / "elsewhere" / "holder2")
    assert not sign(made / "elsewhere", "holder2")
    shutil.rmtree(made / "repo" / "staged")
    shutil.copytree(made / "elsewhere" / "repo" / "staged", made / "repo" / "staged")
    assert sign(made, "online")
    assert not (made / "repo" / "staged").exists()
    assert device.install(made / "repo", software=__version__).version == 2
    assert device.serves() == model_bytes(2)


def test_the_last_holder_with_the_online_keys_makes_it_public_at_once(made: Path, device: Device) -> None:
    stage(made)
    assert sign(made, "holder3", "online")
    assert device.install(made / "repo", software=__version__).version == 2


def test_the_online_keys_alone_do_not_stand_for_a_holder(made: Path) -> None:
    with pytest.raises(KeysTooFew):
        stage(made, who="online")
    stage(made)
    with pytest.raises(KeysTooFew):
        sign(made, "online")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden vectors answer; asking them takes its time, and one test here does."""
    monkeypatch.setattr("allconvert.publishing.publish.check_everywhere", lambda _model, _pythons: ())


@pytest.mark.usefixtures("examined")
def test_what_is_signed_is_shown_and_may_be_refused(made: Path) -> None:
    desk(made, "holder1").stage(*describes(2))  # type: ignore[arg-type]
    before = staged_list(made).read_bytes()
    shown: list[str] = []

    def refuse(told: str) -> bool:
        shown.append(told)
        return False

    with pytest.raises(NotConfirmed):
        sign_staged(desk(made, "holder2"), refuse)
    assert staged_list(made).read_bytes() == before

    for part in (
        "smearnet v2",
        hashlib.sha256(model_bytes(2)).hexdigest(),
        "normal, blast",
        "3.targets.json",
    ):
        assert part in shown[0]
    first = files_of(made / "holder1", "targets")[0].stem.rpartition(".")[2]
    assert f"signed by {first}" in shown[0]


def test_the_same_holder_does_not_count_twice(made: Path) -> None:
    stage(made)
    with pytest.raises(AlreadySigned):
        sign(made, "holder1")
    with pytest.raises(AlreadySigned):
        sign(made, "holder1", "online")
    assert len(json.loads(staged_list(made).read_bytes())["signatures"]) == 1


def test_two_things_do_not_wait_at_once_and_nothing_is_not_signed(made: Path) -> None:
    with pytest.raises(NothingStaged):
        sign(made, "holder2")
    stage(made)
    with pytest.raises(StagedAlready):
        stage(made, version=3)
    with pytest.raises(StagedAlready):
        desk(made, "holder1").stage_root()


def edited(made: Path, change: Callable[[dict[str, object]], None]) -> None:
    told = json.loads(staged_list(made).read_bytes())
    change(told)
    staged_list(made).write_text(json.dumps(told))


def another_hash(told: dict[str, object]) -> None:
    listed = told["signed"]["targets"]  # type: ignore[index]
    listed["smearnet.v2.tflite"]["hashes"]["sha256"] = "0" * 64


def another_label(told: dict[str, object]) -> None:
    listed = told["signed"]["targets"]  # type: ignore[index]
    listed["smearnet.v2.tflite"]["custom"]["allscope"]["labels"] = ["blast", "normal"]


def a_later_date(told: dict[str, object]) -> None:
    told["signed"]["expires"] = "2099-01-01T00:00:00Z"  # type: ignore[index]


def no_signature(told: dict[str, object]) -> None:
    told["signatures"] = []


def a_strangers_signature(told: dict[str, object]) -> None:
    told["signatures"].append({"keyid": "ab" * 32, "sig": "00" * 64})  # type: ignore[attr-defined]


def a_signature_of_nonsense(told: dict[str, object]) -> None:
    told["signatures"][0]["sig"] = "00" * 64  # type: ignore[index]


def without_the_first_model(told: dict[str, object]) -> None:
    del told["signed"]["targets"]["smearnet.v1.tflite"]  # type: ignore[index]


def of_another_version(told: dict[str, object]) -> None:
    told["signed"]["version"] = 4  # type: ignore[index]


CHANGES = (
    another_hash,
    another_label,
    a_later_date,
    no_signature,
    a_strangers_signature,
    a_signature_of_nonsense,
    without_the_first_model,
    of_another_version,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_changed_between_two_holders_is_not_signed(
    made: Path, change: Callable[[dict[str, object]], None]
) -> None:
    stage(made)
    edited(made, change)
    before = staged_list(made).read_bytes()
    with pytest.raises(StagedChanged):
        sign(made, "holder2", "online")
    assert staged_list(made).read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"[" * 9_000, b"{}", b"\xff", b" " * 2_000_000])
def test_a_staged_list_that_is_none_is_not_signed(made: Path, data: bytes) -> None:
    stage(made)
    staged_list(made).write_bytes(data)
    with pytest.raises(StagedChanged):
        sign(made, "holder2")


def test_another_file_under_the_staged_name_is_not_signed(made: Path) -> None:
    stage(made)
    (file,) = (made / "repo" / "staged" / "targets").iterdir()
    for data in (model_bytes(3), b"", None):
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)
        with pytest.raises(StagedChanged):
            sign(made, "holder2")


def test_a_second_staged_list_beside_the_first_is_not_guessed_at(made: Path) -> None:
    stage(made)
    shutil.copy(staged_list(made), staged_list(made).with_name("4.targets.json"))
    with pytest.raises(StagedChanged):
        sign(made, "holder2")


def signed_by_holder_one(made: Path, change: Callable[[dict[str, object]], None]) -> None:
    """A list that holder 1, dishonest or deceived, signs as it stands."""
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
    from tuf.api.metadata import Metadata, Targets  # type: ignore[attr-defined]

    from allconvert.publishing.keys import open_signers

    edited(made, change)
    metadata = Metadata[Targets].from_bytes(staged_list(made).read_bytes())
    keyid = next(iter(metadata.signatures))
    (signer,) = open_signers([made / "holder1"], [keyid], 1, lambda _name, _is_new: None)
    assert isinstance(signer, CryptoSigner)
    metadata.sign(signer)
    staged_list(made).write_bytes(metadata.to_bytes())


def a_third_model_in_passing(told: dict[str, object]) -> None:
    listed = told["signed"]["targets"]  # type: ignore[index]
    listed["smearnet.v9.tflite"] = listed["smearnet.v1.tflite"]


def the_first_model_described_anew(told: dict[str, object]) -> None:
    listed = told["signed"]["targets"]  # type: ignore[index]
    listed["smearnet.v1.tflite"]["length"] += 1


def a_delegation(told: dict[str, object]) -> None:
    told["signed"]["delegations"] = {"keys": {}, "roles": []}  # type: ignore[index]


@pytest.mark.parametrize(
    "change",
    [a_third_model_in_passing, the_first_model_described_anew, a_delegation],
    ids=lambda change: change.__name__,
)
def test_more_than_the_one_step_that_is_shown_is_not_signed(
    made: Path, change: Callable[[dict[str, object]], None]
) -> None:
    stage(made)
    signed_by_holder_one(made, change)
    with pytest.raises(StagedChanged):
        sign(made, "holder2", "online")


def test_labels_that_the_file_does_not_have_are_not_signed(made: Path) -> None:
    stage(made)
    signed_by_holder_one(made, another_label)
    with pytest.raises(no.LabelsSwapped):
        sign_staged(desk(made, "holder2"), lambda _told: True)


def test_a_model_that_answers_wrongly_on_the_second_holders_computer_is_not_signed(made: Path) -> None:
    data = pack_model(TinyNetwork(seed=9).build(), tiny_card(), parse_model(model_bytes(2), "").golden)
    desk(made, "holder1").stage(*describes(2, data))  # type: ignore[arg-type]
    with pytest.raises(SelfTestFailed):
        sign_staged(desk(made, "holder2"), lambda _told: True)


def test_what_was_staged_before_another_publication_is_not_signed(made: Path, device: Device) -> None:
    stage(made)
    desk(made, "holder2", "holder3", "online").add(*describes(3))  # type: ignore[arg-type]
    with pytest.raises(StagedOutdated):
        sign(made, "holder2", "online")
    assert device.install(made / "repo", software=__version__).version == 3


def test_new_dates_meanwhile_do_not_matter(made: Path, device: Device) -> None:
    stage(made)
    desk(made, "online", now=NOW + timedelta(days=2)).refresh()
    assert sign(made, "holder2", "online")
    assert device.install(made / "repo", software=__version__).version == 2


@pytest.mark.parametrize("at", ["timestamp.json", "3.snapshot.json", "3.targets.json", "staged"])
def test_a_publication_of_the_staged_that_was_interrupted_is_done_again(
    made: Path, device: Device, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from allconvert.publishing import repository as module
    from allconvert.publishing.staging import Stage

    stage(made)
    sign(made, "holder2")
    write, clear = module.write_whole, Stage.clear

    def cut(path: Path, data: bytes) -> None:
        if path.name == at:
            raise StorageFailed("The disk is full.", "Make room.")
        write(path, data)

    def kept(_self: Stage) -> None:
        raise StorageFailed("The disk is full.", "Make room.")

    monkeypatch.setattr(module, "write_whole", cut)
    if at == "staged":
        monkeypatch.setattr(Stage, "clear", kept)
    with pytest.raises(StorageFailed):
        sign(made, "online")
    monkeypatch.setattr(module, "write_whole", write)
    monkeypatch.setattr(Stage, "clear", clear)
    installed = device.install(made / "repo", software=__version__)
    assert installed.version == (2 if at == "staged" else 1)
    assert sign(made, "online")
    assert not (made / "repo" / "staged").exists()
    assert device.install(made / "repo", software=__version__).version == 2


def test_a_withdrawal_waits_for_signatures_too(made: Path) -> None:
    desk(made, "holder2").stage_withdrawal("smearnet", 1)
    assert "taken off the list: smearnet.v1" in desk(made, "holder1").sign(lambda _s: None)[0].told()  # type: ignore[union-attr]
    assert sign(made, "online")
    assert desk(made, "online").offers() == ()


def test_a_root_gets_its_new_date_from_holders_in_different_places(made: Path, device: Device) -> None:
    staged = desk(made, "holder1", now=NOW + timedelta(days=9)).stage_root()
    assert "the root with a new date and no other change" in staged.told()
    assert not sign(made, "holder2")
    assert sign(made, "online")
    assert (made / "repo" / "metadata" / "2.root.json").is_file()
    assert device.install(made / "repo", software=__version__).version == 1


def test_a_staged_root_that_changes_more_than_its_date_is_not_signed(made: Path) -> None:
    from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

    from allconvert.publishing.keys import open_signers

    staged = desk(made, "holder1").stage_root()
    path = made / "repo" / "staged" / staged.file_name
    metadata = Metadata[Root].from_bytes(path.read_bytes())
    (signer,) = open_signers([made / "holder1"], [*metadata.signatures], 1, lambda _name, _is_new: None)
    metadata.signed.roles["targets"].threshold = 1
    metadata.sign(signer)
    path.write_bytes(metadata.to_bytes())
    with pytest.raises(StagedChanged, match="more than the date"):
        sign(made, "holder2")


def test_labels_of_a_new_kind_are_among_what_is_shown(made: Path) -> None:
    data = relabelled(("blast", "normal"), ("normal",))
    staged = desk(made, "holder1").stage(*describes(2, data))  # type: ignore[arg-type]
    assert "labels    blast, normal" in staged.told()
    assert "positive  normal" in staged.told()


# The commands, as holders type them.


def run(made: Path, *words: object, code: int = 0, answer: str = "y\n") -> str:
    result = CliRunner().invoke(
        convert_app, [*map(str, words)], input=answer, env={"ALLSCOPE_KEY_PASSPHRASE": WORD}
    )
    if code:
        assert isinstance(result.exception, AllscopeError | SystemExit), result.exception
        return f"{result.output}{result.exception}"
    assert result.exit_code == 0, f"{result.output}{result.exception}"
    return result.output


@pytest.mark.usefixtures("examined")
def test_from_one_holder_to_the_next_by_commands(made: Path, device: Device) -> None:
    (made / "2.tflite").write_bytes(model_bytes(2))
    repo, words = made / "repo", ("--repo", made / "repo", "--keys")
    told = run(made, "publish", made / "2.tflite", "--name", "smearnet", *words, made / "holder1", "--stage")
    assert "1 more must sign" in told
    assert "Nothing was signed" in run(made, "publish-sign", *words, made / "holder3", code=1, answer="n\n")
    assert "smearnet v2" in run(made, "publish-sign", *words, made / "holder3")
    assert "public" in run(made, "publish-sign", *words, made / "online", "--yes")
    assert device.install(repo, software=__version__).version == 2
    run(made, "publish-withdraw", "smearnet", 1, *words, made / "holder1", "--stage")
    assert "public" in run(made, "publish-sign", *words, made / "holder2", "--keys", made / "online", "--yes")
    assert "new date" in run(made, "publish-refresh", "--root", *words, made / "holder1", "--stage")
    assert datetime.now(UTC) > NOW
