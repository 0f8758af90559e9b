"""One small study, fitted once by the real `alltrain.fit`, and its conversion, for all convert tests."""

from pathlib import Path

import numpy as np
import pytest

from allconvert.fidelity import Margins
from allconvert.quantise import Proof, quantise_run
from alledge.types import U8
from alltrain.datasets.dataset import PatchSet
from alltrain.fit import fit
from alltrain.plan import Settings
from alltrain.run_folder import Run, read_run
from alltrain.training import Recipe

# A network fitted for seconds is a nervous one: its calls lie close to the threshold.
WIDE_MARGINS = Margins(loss=0.1, lost_positives=0.1)


def made_patches(labels: np.ndarray, seed: int) -> U8:
    """Cytoplasm around a nucleus: small for label 0, large for 1, and darker for each label above."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:50, :50] - 24.5
    patches = np.full((len(labels), 50, 50, 3), 230.0)
    for patch, label in zip(patches, labels, strict=True):
        radius = rng.normal(9 if label == 0 else 14, 1.5)
        patch[np.hypot(x, y) < radius + 4] = (190, 180, 210)
        patch[np.hypot(x + rng.normal(0, 1), y) < radius] = np.array((120, 70, 150)) - 25 * max(0, label - 1)
        patch += rng.normal(0, 6, patch.shape)
    return np.clip(patches, 0, 255).astype(np.uint8)


def made_patch_set(label_names: tuple[str, ...], positive: tuple[str, ...], n: int = 240) -> PatchSet:
    labels = np.arange(n) % len(label_names)
    return PatchSet(
        patches=made_patches(labels, seed=3),
        labels=labels.astype(np.int64),
        label_names=label_names,
        positive_labels=positive,
        groups=tuple(f"slide{index // 20:02d}" for index in range(n)),
        patch_ids=tuple(f"image{index // 5}.png#{index % 5}" for index in range(n)),
        sources=tuple(f"image{index // 5}.png" for index in range(n)),
        layout="made for tests",
        grouped=True,
        is_phantom=True,
    )


def fitted_run(out: Path, patch_set: PatchSet, epochs: int = 5) -> Path:
    fit(patch_set, out, Settings(Recipe(epochs=epochs, least_patches_an_epoch=512, seed=1), n_folds=2))
    return out


@pytest.fixture(scope="session")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RUN of two labels, one of them positive. Not to be written to."""
    study = made_patch_set(("normal", "blast"), ("blast",))
    return fitted_run(tmp_path_factory.mktemp("fitted") / "run", study)


@pytest.fixture(scope="session")
def run(run_path: Path) -> Run:
    return read_run(run_path)


@pytest.fixture(scope="session")
def converted(run: Run) -> tuple[Proof, bytes]:
    """The proof and the model file of the run."""
    proof, data = quantise_run(run, "made", WIDE_MARGINS)
    assert data is not None, proof.objections
    return proof, data


@pytest.fixture(scope="session")
def model_path(converted: tuple[Proof, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model file on disk. Not to be written to."""
    path = tmp_path_factory.mktemp("converted") / "made.tflite"
    path.write_bytes(converted[1])
    return path


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands set for the processes that they start ends with the test."""
    monkeypatch.setenv("PYTHONSAFEPATH", "")
