"""One study, one run and one model, made once by the real commands and shared by every system test."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.edge.service.tiny_service import true_model_bytes
from tests.system.booted.times import Times
from tests.system.mosquitto import Mosquitto
from tests.system.processes import Finished, run_command

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small phantom study."""
    folder = tmp_path_factory.mktemp("study") / "study"
    run_command("alltrain", "phantom", folder, "--fields", 12, "--seed", 4).must_succeed()
    return folder


@pytest.fixture(scope="session")
def run_folder(study: Path) -> Path:
    """A RUN fitted on the study, briefly: the system tests ask whether it fits together, not how well."""
    folder = study.parent / "run"
    fit = ["alltrain", "fit", study, "--out", folder, "--folds", 2, "--epochs", 4, "--seed", 1]
    run_command(*fit).must_succeed()
    return folder


@pytest.fixture(scope="session")
def model(run_folder: Path) -> Path:
    """The int8 model of the run; a wide margin, since a model fitted for seconds is a nervous one."""
    file = run_folder.parent / "model.tflite"
    run_command("allconvert", "quantize", run_folder, "--out", file, "--margin", 0.2).must_succeed()
    return file


@pytest.fixture
def snap(model: Path) -> Callable[..., Finished]:
    """`alledge snap` with the model, as a process."""
    return lambda *arguments: run_command("alledge", "snap", "--model", model, *arguments)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution as a device gets it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--disable-pip-version-check", "-w", folder, REPOSITORY], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def model_bytes() -> bytes:
    """ALLSCOPE_BOOT_MODEL, or a small model that answers its golden vectors."""
    named = os.environ.get("ALLSCOPE_BOOT_MODEL")
    return Path(named).read_bytes() if named else true_model_bytes()


@pytest.fixture(scope="session")
def times() -> Iterator[Times]:
    """Takes down how long things took; the table goes to ALLSCOPE_BOOT_TABLE."""
    taken = Times()
    yield taken
    if table := os.environ.get("ALLSCOPE_BOOT_TABLE"):
        Path(table).write_text("\n".join(taken.rows) + "\n")


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker of the test's own, with TLS."""
    broker = Mosquitto(tmp_path_factory.mktemp("broker")).start()
    yield broker
    broker.stop()


def fields_of(file: Path) -> list[dict[str, object]]:
    """The lines of a JSON Lines file."""
    return [json.loads(line) for line in file.read_text().splitlines()]
