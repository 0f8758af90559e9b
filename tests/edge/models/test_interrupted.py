"""Killed at any write, out of room at any write, the store names the old model or the new one, whole.

Real processes die here by SIGKILL (`killing`); what a medium keeps of writes that were not flushed is held by
the order of `alledge.durable`, which `tests/edge/test_durable.py` tests.
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alledge.errors import AllscopeError, StorageFailed
from alledge.models.store import COPY_FILE, STATE_FILE
from tests.conftest import REPOSITORY
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import model_bytes
from tests.edge.models.refusing import refused


def kill_everywhere(scene: Scene, deed: str) -> list[dict[str, int | None]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.edge.models.killing", deed, str(scene.device.data), str(scene.stick)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_installation_killed_at_each_write_leaves_the_old_or_the_new_model(scene: Scene) -> None:
    told = kill_everywhere(scene, "install")
    assert len(told) > 30
    versions = [line["serving"] for line in told]
    assert versions == sorted(versions, key=lambda version: version or 0)
    assert set(versions) == {1, 2}
    assert {line["after"] for line in told} == {2}
    for line in told:
        assert (line["good"], line["starts"]) == ((None, None) if line["serving"] == 1 else (1, 0))


def test_a_start_killed_at_each_write_is_counted_or_not(scene: Scene) -> None:
    scene.device.install(scene.stick)
    told = kill_everywhere(scene, "start")
    assert {line["serving"] for line in told} == {2}
    assert {line["starts"] for line in told} == {0, 1}


def test_a_confirmation_killed_at_each_write_is_there_or_not(scene: Scene) -> None:
    scene.device.install(scene.stick)
    told = kill_everywhere(scene, "confirm")
    assert {line["serving"] for line in told} == {2}
    assert {line["starts"] for line in told} == {0, None}


def test_a_fall_back_killed_at_each_write_leaves_one_of_the_two(scene: Scene) -> None:
    scene.device.install(scene.stick)
    told = kill_everywhere(scene, "fall_back")
    assert {line["serving"] for line in told} == {1, 2}


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_medium_that_refuses_at_any_flush_leaves_the_old_model(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    flush = os.fsync
    for nth in range(1, 100):
        left = [nth]

        def refuse(handle: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(trouble, os.strerror(trouble))
            flush(handle)

        monkeypatch.setattr(os, "fsync", refuse)
        try:
            scene.device.install(scene.stick)
        except StorageFailed:
            assert scene.device.serves() in (model_bytes(1), model_bytes(2))
            continue
        finally:
            monkeypatch.setattr(os, "fsync", flush)
        break
    assert nth > 5
    assert scene.device.serves() == model_bytes(2)


def test_a_full_disk_while_tuf_writes_is_said_in_our_words(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    refused(scene, "storage-failed")


def test_a_state_that_rotted_is_read_from_its_copy(scene: Scene) -> None:
    path = scene.device.store.folder / STATE_FILE
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 97):
        data[at] ^= 4
        path.write_bytes(data)
        assert scene.device.serves() == model_bytes(1)


@pytest.mark.parametrize(
    "rotten", [b"", b"{}", b"[" * 100_000, b"NaN", b"\xff", b'{"state": {}, "sha256": ""}', b" " * 100_000]
)
def test_a_state_that_rotted_with_its_copy_is_said_and_not_guessed(scene: Scene, rotten: bytes) -> None:
    for name in (STATE_FILE, COPY_FILE):
        (scene.device.store.folder / name).write_bytes(rotten)
    with pytest.raises(AllscopeError) as refusal:
        scene.device.serves()
    assert refusal.value.code == "store-damaged"


def test_what_an_interrupted_download_left_is_swept_away(scene: Scene) -> None:
    left = scene.device.store.incoming / "targets"
    left.mkdir()
    (left / "half").write_bytes(b"half a model")
    (scene.device.store.incoming / "link").symlink_to(Path("/etc"))
    scene.device.install(scene.stick)
    assert not list(scene.device.store.incoming.iterdir())
    assert Path("/etc/passwd").exists()
