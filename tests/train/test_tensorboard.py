"""Points for TensorBoard: written by name and epoch, kept when a run is killed, asked for before training."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import PathUnusable, RuntimeMissing, StorageFailed
from alltrain.tensorboard import Scalars, epoch_points, require_tensorboard
from alltrain.training import Trainer
from tests.train.conftest import BRIEF_RECIPE
from tests.train.patch_sets import make_patch_set

pytest.importorskip("tensorboard", reason="the extra allscope[tensorboard] is not installed")


def read_points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every series, as TensorBoard itself reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def test_each_model_has_a_folder_and_each_epoch_a_point(tmp_path: Path) -> None:
    for name in ("fold_0", "shipped"):
        with Scalars(tmp_path, name) as scalars:
            for epoch in (1, 2):
                scalars.write(epoch, {"training loss": 1 / epoch, "validation loss": 2 / epoch})
    assert sorted(path.name for path in (tmp_path / "tensorboard").iterdir()) == ["fold_0", "shipped"]
    points = read_points(tmp_path / "tensorboard" / "fold_0")
    assert points == {"training loss": [(1, 1.0), (2, 0.5)], "validation loss": [(1, 2.0), (2, 1.0)]}


def test_points_can_be_read_while_the_model_is_still_fitted(tmp_path: Path) -> None:
    with Scalars(tmp_path, "fold_0") as scalars:
        scalars.write(1, {"training loss": 0.25})
        assert read_points(tmp_path / "tensorboard" / "fold_0") == {"training loss": [(1, 0.25)]}


def test_a_model_that_is_taken_up_again_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    for epoch in (1, 2):
        with Scalars(tmp_path, "fold_0") as scalars:
            scalars.write(epoch, {"training loss": epoch / 4})
    files = sorted((tmp_path / "tensorboard" / "fold_0").iterdir())
    assert len(files) == 2


def test_the_losses_of_a_fit_are_written_as_they_come(tmp_path: Path) -> None:
    study = make_patch_set(n_groups=2)
    validates = np.arange(len(study)) % 3 == 0
    recipe = replace(BRIEF_RECIPE, batch_size=4, least_patches_an_epoch=4)
    with Scalars(tmp_path, "shipped") as scalars:
        callbacks = [epoch_points(scalars)]
        fitted = Trainer(2, recipe).fit(study.patches, study.labels, validates, recipe, callbacks=callbacks)
    points = read_points(tmp_path / "tensorboard" / "shipped")
    for name, column in (
        ("training loss", "train_loss"),
        ("validation loss", "validation_loss"),
        ("validation accuracy", "validation_accuracy"),
    ):
        expected = [(index + 1, getattr(epoch, column)) for index, epoch in enumerate(fitted.epochs)]
        assert points[name] == [(step, pytest.approx(value, rel=1e-6)) for step, value in expected]


def test_without_the_package_it_says_so_in_one_line(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(RuntimeMissing, match=r"allscope\[tensorboard\]") as caught:
        require_tensorboard()
    assert "\n" not in str(caught.value)


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file in the way")
    with pytest.raises(PathUnusable, match="file is in the way"):
        Scalars(tmp_path, "fold_0")


def test_a_medium_that_refuses_is_told_in_one_line(tmp_path: Path, monkeypatch) -> None:
    from tensorboard.compat import tf

    def full(*arguments: object, **options: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    with Scalars(tmp_path, "fold_0") as scalars:
        monkeypatch.setattr(scalars._writer, "add_scalar", full)
        with pytest.raises(StorageFailed, match="cannot be written"):
            scalars.write(1, {"training loss": 1.0})
