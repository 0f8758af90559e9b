"""A device takes what its publishers signed, one rename makes it serve, and it can go back."""

from pathlib import Path

import pytest

from alledge.models import refusals as no
from alledge.models.installing import Wish, verify
from alledge.models.serving import begin_service
from alledge.models.trust import trust_root
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import Device, Forge, model_bytes, relabelled


def test_the_newest_version_is_installed_and_serves(scene: Scene) -> None:
    assert scene.device.install(scene.stick).version == 2
    assert scene.device.serves() == model_bytes(2)


def test_installing_what_serves_changes_nothing(scene: Scene) -> None:
    scene.device.install(scene.stick)
    before = (scene.device.store.folder / "state.json").read_bytes()
    scene.device.install(scene.stick)
    assert (scene.device.store.folder / "state.json").read_bytes() == before


def test_a_device_that_trusts_nobody_installs_nothing(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(no.TrustMissing):
        Device(tmp_path / "fresh").install(scene.stick)


def test_another_root_is_trusted_only_when_a_person_insists(scene: Scene) -> None:
    other = Forge()
    other.next_root(*other.signers["root"])
    with pytest.raises(no.TrustDiffers):
        trust_root(scene.device.store, other.roots[2])
    assert trust_root(scene.device.store, other.roots[2], replace=True).version == 2


def test_verify_proves_bytes_signatures_and_answers_of_all_that_is_kept(scene: Scene) -> None:
    scene.device.install(scene.stick)
    asked: list[Path] = []
    assert [model.version for model in verify(scene.device.store, asked.append)] == [2, 1]
    assert len(asked) == 2


def test_verify_holds_after_the_keys_were_changed(scene: Scene) -> None:
    scene.device.install(scene.stick)
    old, *stay = scene.forge.signers["targets"]
    from tests.edge.models.forge import strangers

    scene.forge.swap_key("targets", old, strangers()[0])
    scene.forge.next_root(*scene.forge.signers["root"])
    scene.forge.add("smearnet", 3, model_bytes(3))
    scene.forge.bump()
    scene.write()
    assert scene.device.install(scene.stick).version == 3
    assert len(verify(scene.device.store, lambda _path: None)) == 2
    assert stay


@pytest.mark.parametrize("number", [1, 2], ids=["its_number", "another_number"])
def test_verify_holds_again_after_a_new_ceremony_when_the_same_model_is_installed(
    scene: Scene, number: int
) -> None:
    from tests.edge.models.forge import strangers

    for old, new in zip(scene.forge.signers["targets"], strangers(), strict=False):
        scene.forge.swap_key("targets", old, new)
    scene.forge.sign_root(*scene.forge.signers["root"])
    scene.forge.targets.targets.clear()
    scene.forge.add("smearnet", number, model_bytes(1))
    scene.forge.bump()
    scene.write()
    trust_root(scene.device.store, scene.forge.roots[1], replace=True)
    with pytest.raises(no.EvidenceBroken):
        verify(scene.device.store, lambda _path: None)
    assert scene.device.install(scene.stick).version == number
    assert [model.version for model in verify(scene.device.store, lambda _path: None)] == [number]
    assert not scene.device.store.load().on_trial, "it is the file that has proven itself"


def test_other_labels_are_taken_when_a_person_accepts_them(scene: Scene) -> None:
    data = relabelled(("blast", "normal"), ("normal",))
    scene.forge.add("smearnet", 3, data)
    scene.forge.bump()
    scene.write()
    with pytest.raises(no.LabelsChanged):
        scene.device.install(scene.stick)
    scene.device.install(scene.stick, Wish(accept_labels=True))
    assert scene.device.serves() == data


def test_a_file_that_the_settings_name_is_served_without_any_store(tmp_path: Path) -> None:
    probation = begin_service(tmp_path, str(tmp_path / "model.tflite"))
    assert probation.path == tmp_path / "model.tflite"
    assert probation.proven
    assert not (tmp_path / "models").exists()


def test_only_what_serves_and_the_last_good_one_take_room(scene: Scene) -> None:
    scene.device.install(scene.stick)
    scene.device.confirm()
    scene.forge.add("smearnet", 3, model_bytes(3))
    scene.forge.bump()
    scene.write()
    scene.device.install(scene.stick)
    assert len(list(scene.device.store.files.iterdir())) == 2
    assert len(list(scene.device.store.evidence.iterdir())) == 2
    assert not list(scene.device.store.incoming.iterdir())
