"""The live view: one writer that knows nothing of its readers, and readers that never see half a picture."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import StorageFailed
from alledge.service.live_view import LARGEST_SIDE_PX, LiveViewReader, LiveViewWriter
from alledge.types import U8


def a_picture(value: int, height: int = 30, width: int = 40) -> U8:
    return np.full((height, width, 3), value % 256, np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "live-view"


def test_a_reader_sees_the_newest_picture_with_what_is_told_of_it(file: Path) -> None:
    writer, reader = LiveViewWriter(file), LiveViewReader(file)
    writer.show(1, a_picture(1), {"verdict": "ok"})
    writer.show(2, a_picture(2, 20, 10), {"verdict": "too dark", "cells": [{"box": [1, 2, 3, 4]}]})
    view = reader.latest()
    assert view is not None
    assert (view.sequence, view.told) == (2, {"verdict": "too dark", "cells": [{"box": [1, 2, 3, 4]}]})
    assert np.array_equal(view.pixels, a_picture(2, 20, 10))
    assert 0 <= time.monotonic_ns() - view.shown_ns < 60e9


def test_what_a_reader_has_is_not_given_again(file: Path) -> None:
    writer, reader = LiveViewWriter(file), LiveViewReader(file)
    writer.show(5, a_picture(1), {})
    assert reader.latest(after=4) is not None
    assert reader.latest(after=5) is None


def test_after_a_restart_numbers_begin_again_and_readers_go_on(file: Path) -> None:
    reader = LiveViewReader(file)
    LiveViewWriter(file).show(500, a_picture(1), {})
    LiveViewWriter(file).show(1, a_picture(2), {})
    view = reader.latest(after=500)
    assert view is not None
    assert view.sequence == 1


@pytest.mark.parametrize("content", [None, b"", b"AlSview1", b"something else " * 99])
def test_without_a_writer_there_is_nothing_to_see(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    assert LiveViewReader(file).latest() is None


def test_the_file_does_not_grow_with_time(file: Path) -> None:
    writer = LiveViewWriter(file)
    for number in range(4):
        writer.show(number, a_picture(number), {})
    size = file.stat().st_size
    for number in range(4, 60):
        writer.show(number, a_picture(number), {})
    assert file.stat().st_size == size


def test_what_is_too_large_is_refused_before_anything_is_written(file: Path) -> None:
    with pytest.raises(ValueError, match="at most 1024 pixels"):
        LiveViewWriter(file).show(1, a_picture(1, 2, LARGEST_SIDE_PX + 1), {})
    with pytest.raises(ValueError, match="at most"):
        LiveViewWriter(file).show(1, a_picture(1), {"text": "x" * (1 << 20)})
    assert not file.exists()


def test_a_full_disk_is_an_error_and_the_next_picture_is_shown_when_there_is_room(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = LiveViewWriter(file), LiveViewReader(file)
    writer.show(1, a_picture(1), {})

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StorageFailed, match="No space left"):
            writer.show(2, a_picture(2), {})
    view = reader.latest()
    assert view is not None
    assert view.sequence == 1
    writer.show(3, a_picture(3), {})
    view = reader.latest()
    assert view is not None
    assert view.sequence == 3


def test_no_reader_ever_sees_parts_of_two_pictures(file: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from alledge.service.live_view import LiveViewWriter\n"
        "writer = LiveViewWriter(Path(sys.argv[1]))\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    side = 300 + 50 * (number % 3)\n"
        "    writer.show(number, np.full((side, 400, 3), number % 256, np.uint8), {'number': number})\n"
    )
    reader = LiveViewReader(file)
    seen: set[int] = set()
    process = subprocess.Popen([sys.executable, "-c", script, str(file)])
    try:
        end_s = time.monotonic() + 30.0
        while len(seen) < 100 and time.monotonic() < end_s:
            view = reader.latest()
            if view is None:
                continue
            assert view.told == {"number": view.sequence}
            assert view.pixels.shape[0] == 300 + 50 * (view.sequence % 3)
            assert (view.pixels == view.sequence % 256).all()
            seen.add(view.sequence)
    finally:
        process.kill()
        process.wait()
    assert len(seen) >= 100
