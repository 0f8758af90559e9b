"""`allconvert inspect`: all that a sound file says, and every other file called what it is."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from allconvert.cli import app
from allconvert.inspection import inspect_file, inspection_as_json
from alledge.command_line import run_app
from alledge.errors import ModelUnreadable, PathUnusable
from alledge.model_file import MAX_FILE_BYTES
from tests.edge.tiny_model import DYNAMIC_RANGE, FLOAT, TinyNetwork, Type, tiny_golden, tiny_model_bytes


def inspect_by_command(path: Path, *flags: str) -> int:
    """The exit status of `allconvert inspect`, run within this process."""
    kept, sys.argv = sys.argv, ["allconvert", "inspect", str(path), *flags]
    try:
        run_app(app)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = kept


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.tflite"
    path.write_bytes(tiny_model_bytes())
    return path


def test_a_sound_file_is_shown_whole(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_by_command(sound) == 0
    out = capsys.readouterr().out
    for words in (
        "sound: sealed",
        "labels                          normal, blast",
        "threshold                       0.5",
        "for review between              0.4 and 0.6",
        "familiarity",
        "Rendered images.",
        "accuracy                        0.900 (0.800 to 0.950, 100 patches, 5 groups)",
        "256 (called ",
        "FULLY_CONNECTED     int8 1 x 50 x 50 x 3, int8 2 x 7500 -> int8 1 x 2",
        "15000  weights    int8",
        "weights                         15000 bytes",
        "(estimated, without scratch",
        "not int8                        nothing",
        "Research use only",
    ):
        assert words in out


def test_json_holds_the_card_word_for_word(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_by_command(sound, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sound"]
    assert found["card"]["labels"] == ["normal", "blast"]
    assert found["network"]["precision"] == "int8"
    assert [one["name"] for one in found["network"]["operations"]] == ["QUANTIZE", "FULLY_CONNECTED"]
    assert found["network"]["tensors"][2]["n_bytes"] == 15000
    assert found["golden"]["n"] == len(tiny_golden().patches)


def test_golden_vectors_are_counted_by_what_their_stored_outputs_are_called(sound: Path) -> None:
    golden = inspect_file(sound).golden
    assert golden is not None
    assert sum(golden.calls.values()) == golden.n
    # The made-up outputs are all zero: two equal logits, so the positive label reaches its threshold of 0.5.
    assert golden.calls == {"normal": 0, "blast": golden.n}


FOREIGN = {
    "float32": (FLOAT.build(), "model-not-int8", "float32"),
    "dynamic-range": (DYNAMIC_RANGE.build(), "model-not-int8", "dynamic-range"),
    "16x8": (TinyNetwork(inner_type=Type.INT16).build(), "model-not-int8", "16x8"),
    "plain": (TinyNetwork().build(), "model-unreadable", "plain TFLite model without"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_named_and_still_read(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, code, words = FOREIGN[kind]
    path = tmp_path / "foreign.tflite"
    path.write_bytes(data)
    assert inspect_by_command(path) == 1
    out, error = capsys.readouterr()
    assert error.startswith(f"error[{code}]: ")
    assert words in error
    assert "NOT a sound model file" in out
    assert "none that could be trusted" in out
    assert "FULLY_CONNECTED" in out
    assert f"precision                       {'int8' if kind == 'plain' else kind}" in out


def test_a_tampered_card_is_not_repeated(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound.write_bytes(sound.read_bytes().replace(b'"threshold": 0.5', b'"threshold": 0.9'))
    assert inspect_by_command(sound, "--json") == 1
    out, error = capsys.readouterr()
    found = json.loads(out)
    assert error.startswith("error[model-damaged]: ")
    assert found["problem"]["code"] == "model-damaged"
    assert found["card"] is None
    assert found["golden"] is None
    assert found["network"]["precision"] == "int8"


@pytest.mark.parametrize("data", [b"", b"no model at all", b"\0\0\0\0TFL3" + bytes(40)])
def test_what_is_no_model_is_called_none(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nonsense.tflite"
    path.write_bytes(data)
    assert inspect_by_command(path) == 1
    assert "Operations" not in capsys.readouterr().out
    assert inspection_as_json(inspect_file(path))["network"] is None


def test_a_file_cut_anywhere_is_named_and_never_crashes(sound: Path, tmp_path: Path) -> None:
    data, cut = sound.read_bytes(), tmp_path / "cut.tflite"
    for length in np.linspace(0, len(data) - 1, 60).astype(int):
        cut.write_bytes(data[:length])
        inspection = inspect_file(cut)
        assert inspection.problem is not None
        assert inspection.card is None


def test_a_missing_or_huge_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(PathUnusable):
        inspect_file(tmp_path / "nowhere.tflite")
    huge = tmp_path / "huge.tflite"
    with huge.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ModelUnreadable, match="larger"):
        inspect_file(huge)


def test_a_converted_model_shows_its_layers_and_the_ranges_hash(model_path: Path) -> None:
    inspection = inspect_file(model_path)
    assert inspection.problem is None
    assert inspection.card is not None
    assert inspection.card.quantisation is not None
    assert inspection.network is not None
    assert inspection.network.precision == "int8"
    assert inspection.network.arena.least_bytes <= inspection.network.arena.n_bytes < 200_000
