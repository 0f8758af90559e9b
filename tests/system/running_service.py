"""An `alledge run` as a real process, started and watched from outside."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.edge.service.tiny_service import true_model_bytes
from tests.system.processes import BIN, run_command

CAMERA = "phantom:seed=1,width_px=320,height_px=240,pixel_um=0.2,n_red_cells=26,n_lymphocytes=3,n_blasts_l1=2"
STOPPED_WITHIN_S = 0.5 + 1.0  # the promise, and what a busy machine adds to the end of an interpreter
PATIENCE_S = 90.0  # for a busy machine; what is quick is asserted to be quick


NOTHING_YET: dict[str, Any] = {
    "ledger": {"analysed": 0},
    "troubles": [],
    "slide": {"identifier": "", "number": None, "fields": 0, "cells": 0},
}


@dataclass
class Service:
    """One `alledge run`, started and watched from outside."""

    folder: Path
    process: subprocess.Popen[str]

    def status(self) -> dict[str, Any]:
        file = self.folder / "status.json"
        return json.loads(file.read_text()) if file.exists() else NOTHING_YET

    def wait(self, true: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        end_s = time.monotonic() + PATIENCE_S
        while not true(status := self.status()):
            assert self.process.poll() is None, f"it ended: {self.process.communicate()}"
            assert time.monotonic() < end_s, f"never {what}: {status}"
            time.sleep(0.05)
        return status

    def wait_for_fields(self, n: int) -> dict[str, Any]:
        return self.wait(lambda status: status["ledger"]["analysed"] >= n, f"{n} fields")

    def wait_for_trouble(self, code: str) -> dict[str, Any]:
        return self.wait(lambda status: code in codes(status), code)

    def tell(self, *words: str) -> Any:
        return json.loads(run_command("alledge", "tell", *words, "--runtime", self.folder).must_succeed().out)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, float]:
        """(exit status, what it printed, seconds until it was gone)."""
        began_s = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20.0)
        return self.process.returncode, out + err, time.monotonic() - began_s


def codes(status: dict[str, Any]) -> set[str]:
    return {trouble["code"] for trouble in status["troubles"]}


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.tflite"
    file.write_bytes(true_model_bytes())
    return file


Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path, model_file: Path) -> Iterator[Start]:
    """Starts services in one data folder; whatever still runs at the end is killed."""
    started: list[Service] = []
    config = tmp_path / "alledge.toml"
    config.write_text("capture_s = 3.0\n")

    def begin(
        camera: str = CAMERA,
        data: Path | None = None,
        slide: tuple[str, ...] = ("--slide", "A 17"),
        runtime: Path | None = None,
        **environment: str,
    ) -> Service:
        folder = data or tmp_path / "data"
        command = [BIN / "alledge", "run", "--config", config, "--camera", camera, "--model", model_file]
        command += ["--data", folder, "--pixel-um", "0.2", *slide]
        command += ["--runtime", runtime or folder]
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        ((runtime or folder) / "status.json").unlink(missing_ok=True)
        started.append(Service(runtime or folder, process))
        return started[-1]

    yield begin
    for service in started:
        service.process.kill()
        service.process.communicate()
