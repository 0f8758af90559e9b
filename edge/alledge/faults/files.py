"""Files that a power cut, a slip of the hand or a worn card spoilt, and the code that each is told by.

These are met at the start of the service. A fault of the settings is told while the last good ones are used;
one of the model or the calibration stops the start: better no result than one of an unknown network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alledge.calibration import CALIBRATION_FILE, load_calibration
from alledge.classifier import open_classifier
from alledge.errors import AllscopeError
from alledge.model_file import Golden, pack_model, parse_model, read_model
from alledge.service.config import keep_good_copy, read_config
from alledge.service.sentinel import self_test

GOOD_SETTINGS: Final = b'camera = "picamera2:0"\ncapture_s = 4.0\ntarget_cells = 200\nslide = "A 17"\n'


@dataclass(frozen=True, slots=True)
class FileFault:
    """A row of the table. happen: spoils a file in an empty folder with a seed; gives the code told."""

    name: str
    happen: Callable[[Path, int, bytes], str]
    code: str


def _settings(spoil: Callable[[bytes, np.random.Generator], bytes]) -> Callable[[Path, int, bytes], str]:
    def happen(folder: Path, seed: int, _model: bytes) -> str:
        file = folder / "alledge.toml"
        file.write_bytes(GOOD_SETTINGS)
        good, _ = read_config(file, folder)
        keep_good_copy(file, folder)
        file.write_bytes(spoil(GOOD_SETTINGS, np.random.default_rng(seed)))
        config, trouble = read_config(file, folder)
        if config != good:
            return "other settings are in force"
        return trouble.code if trouble else ""

    return happen


def _model(spoil: Callable[[bytes, np.random.Generator], bytes]) -> Callable[[Path, int, bytes], str]:
    def happen(folder: Path, seed: int, model: bytes) -> str:
        file = folder / "model.tflite"
        file.write_bytes(spoil(model, np.random.default_rng(seed)))
        try:
            read = read_model(file)
            self_test(open_classifier(read), read.golden, read.card)
        except AllscopeError as error:
            return error.code
        return ""

    return happen


def _calibration(folder: Path, seed: int, _model_bytes: bytes) -> str:
    (folder / CALIBRATION_FILE).write_bytes(b'{"calibration": {"format_version": 1' + bytes([seed % 256]))
    try:
        load_calibration(folder)
    except AllscopeError as error:
        return error.code
    return ""


def _truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut within a line, as a write that was broken off leaves it."""
    ends = [at for at in range(1, len(data)) if b"\n" not in data[at - 1 : at + 1]]
    return data[: int(rng.choice(ends))]


def _cut_short(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data) // 100, len(data) - 1))]


def _one_bit_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    flipped = bytearray(data)
    flipped[int(rng.integers(0, len(data)))] ^= 1 << int(rng.integers(0, 8))
    return bytes(flipped)


def _other_answers(data: bytes, rng: np.random.Generator) -> bytes:
    """A whole model that answers otherwise than its golden vectors: another processor, another runtime."""
    model = parse_model(data, "model")
    outputs = model.golden.outputs.copy()
    row = int(rng.integers(0, len(outputs)))
    outputs[row] = -1 - outputs[row]
    outputs[row, 0] = np.int8(int(outputs[row, 0]) ^ 32)
    return pack_model(model.flatbuffer, model.card, Golden(model.golden.patches, outputs))


def _line(text: bytes) -> Callable[[bytes, np.random.Generator], bytes]:
    return lambda data, _: data + text


FILE_FAULTS: Final = (
    FileFault("settings cut short", _settings(_truncated), "config-unusable"),
    FileFault("settings empty", _settings(lambda *_: b""), "config-unusable"),
    FileFault("settings of zeros", _settings(lambda data, _: bytes(len(data))), "config-unusable"),
    FileFault("settings no text", _settings(lambda _, rng: rng.bytes(100) + b"\xff"), "config-unusable"),
    FileFault("settings unknown", _settings(_line(b"camra = 1\n")), "config-unusable"),
    FileFault("settings out of range", _settings(_line(b"open_s = 1e9\n")), "config-unusable"),
    FileFault("settings of another type", _settings(_line(b'open_s = "long"\n')), "config-unusable"),
    FileFault("settings no number", _settings(_line(b"open_s = nan\n")), "config-unusable"),
    FileFault("model with one bit flipped", _model(_one_bit_flipped), "model-damaged"),
    FileFault("model cut short", _model(_cut_short), "model-damaged"),
    FileFault("model of zeros", _model(lambda data, _: bytes(len(data))), "model-unreadable"),
    FileFault("model with other answers", _model(_other_answers), "self-test-failed"),
    FileFault("calibration broken", _calibration, "calibration-damaged"),
)
"""Faults of files; `happen` says the code that was told."""
