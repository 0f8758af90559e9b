"""A fit that is killed, however often and wherever, ends in the weights of one that never was."""

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import RunUnusable
from alltrain import unfinished
from alltrain.checkpoint import Checkpoint, Standing
from alltrain.plan import Settings
from alltrain.run_folder import load_model, start_run
from alltrain.training import Recipe
from tests.train.patch_sets import make_patch_set

REPO = Path(__file__).parents[2]
RECIPE = Recipe(epochs=2, least_patches_an_epoch=32, seed=3, rehearsal_fields=2, rehearsal_epochs=2)
SETTINGS = Settings(RECIPE, n_folds=2)
STUDY = make_patch_set(n_groups=2)
CHILD = """
from pathlib import Path; import sys
from alltrain.fit import fit
from tests.train.test_resume import STUDY, SETTINGS
def told(what, done, total):
    print(what, done, flush=True)
fit(STUDY, Path(sys.argv[1]), SETTINGS, resume=True, progress=told)
"""


def weight_hashes(run: Path) -> dict[int | None, str]:
    """SHA-256 of the weights of every model of a run of two folds."""
    hashes = {}
    for fold in (0, 1, None):
        digest = hashlib.sha256()
        for array in load_model(run, fold).get_weights():
            digest.update(array.tobytes())
        hashes[fold] = digest.hexdigest()
    return hashes


def files_of(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one go, in a process of its own too: what tests before it did to this one must not count."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    told, killed = run_until(out, 10_000, 0)
    assert not killed, told
    return out


def run_until(out: Path, n_told: int, then_s: float) -> tuple[list[str], bool]:
    """Fit in a process of its own, killed `then_s` after `n_told` lines; its lines, and whether killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(out)], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told: list[str] = []
    for line in process.stdout:
        told.append(line.strip())
        if len(told) == n_told:
            time.sleep(then_s)
            process.send_signal(signal.SIGKILL)
            break
    told += process.stdout.read().split("\n")
    process.stdout.close()
    return told, process.wait() == -signal.SIGKILL


def test_a_fit_that_is_killed_at_random_moments_ends_in_the_same_weights(
    tmp_path: Path, undisturbed: Path
) -> None:
    out, chance = tmp_path / "run", random.Random(time.time_ns())
    first, killed = run_until(out, chance.randint(3, 5), chance.uniform(0, 0.4))  # of about 12 lines
    assert killed, first
    second, _ = run_until(out, chance.randint(1, 4), chance.uniform(0, 0.4))
    last, killed = run_until(out, 10_000, 0)
    assert not killed
    assert weight_hashes(out) == weight_hashes(undisturbed)
    for name in ("metrics.json", "predictions.csv", "card.json"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
    assert files_of(out) == files_of(undisturbed)
    told = [line for line in first + second + last if line]
    ends = ("fold 1 of 2 2", "fold 2 of 2 2", "model to ship 2", "figures")  # told at every end of a stage
    again = [line for line in told if told.count(line) > 1 and not line.startswith(ends)]
    assert not again, "what was done was done again"


def test_a_finished_run_keeps_no_checkpoint_and_no_rendered_patch(undisturbed: Path) -> None:
    assert not list(undisturbed.rglob("*.checkpoint"))
    kept = unfinished.read_rehearsal(undisturbed)
    assert kept is not None
    assert len(kept.patches) == 0
    assert len(kept.labels) > 0


def test_a_start_that_was_cut_short_before_its_first_file_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "folds").mkdir()
    (tmp_path / ".config.json.0a1b2c3d.partial").write_text("{")
    start_run(tmp_path, {"seed": 0}, resume=True)
    assert files_of(tmp_path) == {"folds", "config.json"}


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    start_run(tmp_path / "run", {"seed": 0}, resume=False)
    (tmp_path / "run" / "folds" / ".fold_0.checkpoint.0a1b2c3d.partial").write_bytes(b"PK")
    start_run(tmp_path / "run", {"seed": 0}, resume=True)
    assert files_of(tmp_path / "run") == {"folds", "config.json"}


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "fold_0.checkpoint")
    assert checkpoint.read() is None
    arrays = (np.arange(6, dtype=np.float32).reshape(2, 3), np.array(5, dtype=np.int64))
    checkpoint.write(Standing(np.array([[0.5, 0.25, 1.0]]), arrays, 0, arrays[:1]))
    found = checkpoint.read()
    assert found is not None
    assert [array.dtype for array in found.variables] == [np.float32, np.int64]
    for given, back in zip(arrays, found.variables, strict=True):
        np.testing.assert_array_equal(given, back)
    assert (len(found.best), found.best_epoch, found.course.tolist()) == (1, 0, [[0.5, 0.25, 1.0]])
    checkpoint.remove()
    assert checkpoint.read() is None


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fold_0.checkpoint"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RunUnusable, match="fold_0"):
        Checkpoint(path).read()
