"""Replicas learn what one device learns from the same batches, also where they cannot share them evenly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def fitted() -> dict[str, dict]:
    """Losses and weights: alone, and with three replicas together."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("replicas_beside_one.py"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_number_of_replicas_changes_weights_by_rounding_only(fitted: dict[str, dict]) -> None:
    alone, together = fitted["alone"], fitted["together"]
    np.testing.assert_allclose(together["weights"], alone["weights"], atol=2e-6)
    assert together["steps"] == alone["steps"] == 6


def test_the_loss_told_is_that_of_the_whole_batch(fitted: dict[str, dict]) -> None:
    np.testing.assert_allclose(fitted["together"]["losses"], fitted["alone"]["losses"], rtol=1e-5)


def test_training_changed_the_weights(fitted: dict[str, dict]) -> None:
    """Otherwise the comparison above would prove nothing."""
    assert fitted["alone"]["losses"][1] < fitted["alone"]["losses"][0]
