"""What lies at --out is of this very run: nothing half-written, nothing older that passes for new."""

import errno
from pathlib import Path

import pytest

from allconvert import delivery
from allconvert.delivery import Reports, deliver, deliver_refusal, plan_destination, set_aside
from alledge.errors import PathUnusable, StorageFailed


def test_model_and_reports_lie_side_by_side(tmp_path: Path) -> None:
    destination = plan_destination(tmp_path / "smear.v2.tflite", force=False)
    deliver(destination, b"model", Reports("<html>", {"verdict": "accepted"}, "set"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "smear.v2.fidelity.csv",
        "smear.v2.fidelity.html",
        "smear.v2.fidelity.json",
        "smear.v2.tflite",
    ]
    assert (tmp_path / "smear.v2.tflite").read_bytes() == b"model"


@pytest.mark.parametrize("name", ["model", "model.h5", "model.tflite.zip"])
def test_a_model_file_is_called_tflite(name: str, tmp_path: Path) -> None:
    with pytest.raises(PathUnusable, match=r"\.tflite"):
        plan_destination(tmp_path / name, force=False)


def test_a_place_that_cannot_hold_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "folder.tflite").mkdir()
    for out in (tmp_path / "nowhere" / "m.tflite", tmp_path / "folder.tflite"):
        with pytest.raises(PathUnusable):
            plan_destination(out, force=True)


def test_an_older_model_is_replaced_only_when_asked_and_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "m.tflite"
    out.write_bytes(b"older")
    with pytest.raises(PathUnusable, match="--force"):
        plan_destination(out, force=False)
    deliver(plan_destination(out, force=True), b"newer", Reports("", {}, ""))
    assert out.read_bytes() == b"newer"
    assert (tmp_path / "m.tflite.old").read_bytes() == b"older"


def test_a_refusal_writes_reports_only(tmp_path: Path) -> None:
    report = deliver_refusal(tmp_path, Reports("<html>", {"verdict": "refused"}, "set"))
    written = {path.name for path in report.parent.iterdir()}
    assert written == {"fidelity.csv", "fidelity.html", "fidelity.json"}
    assert report.parent == tmp_path / "quantisation"


def test_setting_aside_takes_the_reports_along(tmp_path: Path) -> None:
    for name in ("m.tflite", "m.fidelity.html"):
        (tmp_path / name).write_text(name)
    moved = set_aside(plan_destination(tmp_path / "m.tflite", force=True))
    assert [path.name for path in moved] == ["m.tflite.old", "m.fidelity.html.old"]
    assert set_aside(plan_destination(tmp_path / "m.tflite", force=True)) == ()


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
def test_a_disk_that_fills_up_leaves_nothing(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = delivery.write_whole, []

    def write_until_full(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) > fails_at:
            raise StorageFailed(f"{path} could not be written.", "Make room.") from OSError(
                errno.ENOSPC, "full"
            )
        original(path, data)

    monkeypatch.setattr(delivery, "write_whole", write_until_full)
    with pytest.raises(StorageFailed):
        deliver(plan_destination(tmp_path / "m.tflite", force=False), b"model", Reports("<html>", {}, "set"))
    assert list(tmp_path.iterdir()) == []
