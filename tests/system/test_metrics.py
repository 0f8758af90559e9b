"""The metrics of a real `alledge run`: written beside the status, and the same as what it says."""

import pytest

pytest.importorskip("prometheus_client", reason="the extra `fleet` is not installed")

from alledge.telemetry.names import METRICS_FILE
from tests.edge.telemetry import test_metrics as figures
from tests.system.mosquitto import wait_until
from tests.system.running_service import Start, model_file, start

__all__ = ["model_file", "start"]


def test_the_service_writes_figures_that_add_up(start: Start) -> None:
    service = start()
    service.wait_for_fields(2)
    file = service.folder / METRICS_FILE
    wait_until(
        lambda: (
            file.exists()
            and figures.one(figures.read(file.read_text()), "allscope_frames_analysed_total") >= 2
        ),
        "no figures",
    )
    told = figures.read(file.read_text())
    figures.test_every_captured_frame_is_accounted_for(told)
    assert figures.one(told, "allscope_journal_bytes") > 0
    assert "allscope_outbox_events" not in {name for name, _ in told}, "nobody publishes from here"
