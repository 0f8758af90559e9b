"""A stick is prepared by somebody: links, pipes and folders where files should be do a device no harm."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alledge.errors import AllscopeError
from alledge.models import refusals as no
from alledge.models.fetching import BASE, FolderFetcher, fetcher_for
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import model_bytes
from tests.edge.models.refusing import refused


def swapped_for_link(path: Path, to: Path) -> None:
    path.unlink()
    path.symlink_to(to)


def a_timestamp_that_is_a_link(stick: Path) -> None:
    shutil.copy(stick / "metadata" / "timestamp.json", stick / "kept.json")
    swapped_for_link(stick / "metadata" / "timestamp.json", stick / "kept.json")


def a_list_that_links_to_the_devices_secrets(stick: Path) -> None:
    swapped_for_link(stick / "metadata" / "3.targets.json", Path("/etc/passwd"))


def a_link_to_nothing(stick: Path) -> None:
    swapped_for_link(stick / "metadata" / "timestamp.json", stick / "nowhere")


def a_link_to_itself(stick: Path) -> None:
    swapped_for_link(stick / "metadata" / "timestamp.json", stick / "metadata" / "timestamp.json")


def a_folder_that_is_a_link(stick: Path) -> None:
    (stick / "metadata").rename(stick / "elsewhere")
    (stick / "metadata").symlink_to(stick / "elsewhere")


def a_model_that_is_a_link(stick: Path) -> None:
    model = next((stick / "targets").glob("*.v2.tflite"))
    model.rename(stick / "kept.tflite")
    model.symlink_to(stick / "kept.tflite")


def a_timestamp_that_is_a_pipe(stick: Path) -> None:
    (stick / "metadata" / "timestamp.json").unlink()
    os.mkfifo(stick / "metadata" / "timestamp.json")


def a_model_that_is_a_pipe(stick: Path) -> None:
    model = next((stick / "targets").glob("*.v2.tflite"))
    model.unlink()
    os.mkfifo(model)


def a_timestamp_that_is_a_folder(stick: Path) -> None:
    (stick / "metadata" / "timestamp.json").unlink()
    (stick / "metadata" / "timestamp.json").mkdir()


def metadata_that_is_a_file(stick: Path) -> None:
    shutil.rmtree(stick / "metadata")
    (stick / "metadata").write_bytes(b"")


def a_stick_without_metadata(stick: Path) -> None:
    shutil.rmtree(stick / "metadata")


TRICKS: list[tuple[str, Callable[[Path], None]]] = [
    ("source-link", a_timestamp_that_is_a_link),
    ("source-link", a_list_that_links_to_the_devices_secrets),
    ("source-link", a_link_to_nothing),
    ("source-link", a_link_to_itself),
    ("source-link", a_folder_that_is_a_link),
    ("source-link", a_model_that_is_a_link),
    ("source-not-a-file", a_timestamp_that_is_a_pipe),
    ("source-not-a-file", a_model_that_is_a_pipe),
    ("source-not-a-file", a_timestamp_that_is_a_folder),
    ("source-unreachable", metadata_that_is_a_file),
    ("source-incomplete", a_stick_without_metadata),
]


@pytest.mark.parametrize(("code", "trick"), [pytest.param(*trick, id=trick[1].__name__) for trick in TRICKS])
def test_it_is_refused_and_the_old_model_serves(
    scene: Scene, code: str, trick: Callable[[Path], None]
) -> None:
    trick(scene.stick)
    refused(scene, code)


def test_a_stick_pulled_out_while_it_is_read_leaves_the_old_model(scene: Scene) -> None:
    class Pulled(FolderFetcher):
        def _read(self, parts: list[str]) -> Iterator[bytes]:
            if parts[-1].endswith(".tflite"):
                shutil.rmtree(scene.stick)
            return super()._read(parts)

    refused(scene, "source-incomplete", source=Pulled(scene.stick))


@pytest.mark.parametrize(
    "name",
    [
        "metadata/../../secret",
        "metadata/.hidden",
        "metadata//x",
        "/etc/passwd",
        "a\\b",
        "a b",
        "é",
        "",
        "~root",
    ],
)
def test_no_name_leads_out_of_a_repository(tmp_path: Path, name: str) -> None:
    with pytest.raises(no.SourcePathUnsafe):
        list(FolderFetcher(tmp_path)._fetch(f"{BASE}{name}"))


def test_an_address_of_another_repository_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(no.SourcePathUnsafe):
        list(FolderFetcher(tmp_path)._fetch("https://elsewhere.example/metadata/timestamp.json"))


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc",
        "ftp://host/repo",
        "gopher://host/",
        "https://",
        "https://user:word@host/repo",
        "https://host/repo?version=1",
        "https://host/repo#part",
        "no/such/folder",
        "",
    ],
)
def test_what_is_no_repository_is_said_to_be_none(source: str) -> None:
    if source == "":
        assert isinstance(fetcher_for("."), FolderFetcher)
        return
    with pytest.raises(no.SourceUnusable):
        fetcher_for(source)


def test_a_read_only_stick_is_enough(scene: Scene) -> None:
    for path in scene.stick.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert scene.device.install(scene.stick).version == 2
    assert scene.device.serves() == model_bytes(2)


def test_two_sticks_at_once_do_not_mix(scene: Scene) -> None:
    with scene.device.store.installing(), pytest.raises(AllscopeError) as refusal:
        scene.device.install(scene.stick)
    assert refusal.value.code == "install-running"
