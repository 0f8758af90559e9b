"""What Prometheus reads is whole, adds up, and says nothing that is not known."""

import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="the extra `fleet` is not installed")

from prometheus_client.parser import text_string_to_metric_families

from alledge.faults.table import SIMULATED_FAULTS, Fault
from alledge.faults.world import FaultPlan, World
from alledge.service.config import parse_config
from alledge.service.ledger import DropReason
from alledge.telemetry.endpoint import SEATS, STALE_AFTER_S, metrics_server
from alledge.telemetry.names import METRICS_FILE
from alledge.telemetry.reporting import MetricsReporter, journal_bytes, n_unsent
from tests.edge.service.tiny_service import scenery

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def total(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (other, has), value in samples.items() if other == name and wanted <= set(has))


def reporter(world: World, folder: Path) -> MetricsReporter:
    model = scenery().model
    return MetricsReporter(
        world.station,
        model.identity,
        model.card,
        folder / "journal.sqlite3",
        folder,
        world.clock.monotonic_ns,
    )


@pytest.fixture(params=[1, 2, 3])
def samples(request: pytest.FixtureRequest, tmp_path: Path) -> Samples:
    world = World(scenery(), FaultPlan(), seed=request.param)
    for _ in range(40):
        world.step()
    reporter(world, tmp_path).tend()
    return read((tmp_path / METRICS_FILE).read_text())


def test_every_captured_frame_is_accounted_for(samples: Samples) -> None:
    captured = one(samples, "allscope_frames_captured_total")
    analysed = one(samples, "allscope_frames_analysed_total")
    in_flight = one(samples, "allscope_frames_in_flight")
    assert captured == analysed + total(samples, "allscope_frames_dropped_total") + in_flight > 0


def test_every_analysed_frame_has_a_verdict_and_a_latency(samples: Samples) -> None:
    analysed = one(samples, "allscope_frames_analysed_total")
    assert analysed == total(samples, "allscope_fields_total") > 0
    assert analysed == one(samples, "allscope_sensor_to_stored_seconds_count")
    assert analysed == one(samples, "allscope_sensor_to_stored_seconds_bucket", le="+Inf")
    good = one(samples, "allscope_fields_total", verdict="ok")
    assert analysed - good == one(samples, "allscope_frames_refused_total")
    assert one(samples, "allscope_focus_of_fields_count") == good


def test_every_cell_that_is_seen_first_has_one_call(samples: Samples) -> None:
    first = one(samples, "allscope_cells_total", seen="first")
    assert first == total(samples, "allscope_calls_total") > 0


def test_each_reason_for_a_drop_is_there_before_its_first(samples: Samples) -> None:
    for reason in DropReason:
        assert one(samples, "allscope_frames_dropped_total", reason=reason.value) >= 0


def test_what_is_not_known_is_left_out_and_never_zero(samples: Samples) -> None:
    names = {name for name, _ in samples}
    assert not names & {"allscope_temperature_celsius", "allscope_under_voltage", "allscope_outbox_events"}
    assert "allscope_journal_bytes" not in names, "the world's journal has no file"
    assert "allscope_disk_free_bytes" in names


def test_buckets_only_grow(samples: Samples) -> None:
    buckets = [v for (name, _), v in samples.items() if name == "allscope_sensor_to_stored_seconds_bucket"]
    assert buckets == sorted(buckets)


def test_the_light_through_the_plasma_is_told_in_shares(samples: Samples) -> None:
    red, blue = one(samples, "allscope_plasma_red_share"), one(samples, "allscope_plasma_blue_share")
    assert 0.2 < red < 0.5
    assert 0.2 < blue < 0.5


@pytest.mark.parametrize("fault", SIMULATED_FAULTS, ids=lambda fault: fault.name)
def test_the_figures_add_up_under_every_fault(fault: Fault, tmp_path: Path) -> None:
    world = World(scenery(), fault.plan, seed=7)
    report = reporter(world, tmp_path)
    for _ in range(60):
        world.step()
    report.tend()
    told = read((tmp_path / METRICS_FILE).read_text())
    test_every_captured_frame_is_accounted_for(told)


def test_the_file_is_written_every_five_seconds_and_says_how_often(tmp_path: Path) -> None:
    world = World(scenery(), FaultPlan(), seed=4)
    now = [0]
    report = reporter(world, tmp_path)
    report.now_ns = lambda: now[0]
    for second in range(12):
        now[0] = second * 1_000_000_000
        report.tend()
    assert one(read((tmp_path / METRICS_FILE).read_text()), "allscope_reports_total") == 2
    assert [path.name for path in tmp_path.iterdir()] == [METRICS_FILE]


def test_a_file_that_cannot_be_written_is_a_trouble_and_no_end(tmp_path: Path) -> None:
    world = World(scenery(), FaultPlan(), seed=4)
    reporter(world, tmp_path / "nowhere").tend()
    assert "storage-failed" in {trouble.code for trouble, _ in world.station.troubles.active}


def test_without_prometheus_client_nothing_is_written_and_the_service_runs(tmp_path: Path) -> None:
    world = World(scenery(), FaultPlan(), seed=4)
    report = reporter(world, tmp_path)
    report._is_installed = False
    report.tend()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_not_there_has_neither_size_nor_outbox(tmp_path: Path) -> None:
    assert journal_bytes(tmp_path / "journal.sqlite3") is None
    assert n_unsent(tmp_path / "journal.sqlite3") is None


def test_a_port_is_one_of_those_that_there_are() -> None:
    assert parse_config(b"metrics_port = 9311\n", "it").metrics_port == 9311
    assert parse_config(b"", "it").metrics_port == 0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    file = tmp_path / METRICS_FILE
    with metrics_server(file, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", file
        server.shutdown()


def status_of(url: str, host: str | None = None) -> int:
    headers = {} if host is None else {"Host": host}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def test_the_file_is_served_as_it_is(served: tuple[str, Path]) -> None:
    address, file = served
    file.write_text("allscope_paused 0.0\n")
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
        assert answer.read() == b"allscope_paused 0.0\n"
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_a_file_that_nobody_renews_is_not_served(served: tuple[str, Path]) -> None:
    address, file = served
    assert status_of(f"{address}/metrics") == 503
    file.write_text("allscope_paused 0.0\n")
    old_s = time.time() - STALE_AFTER_S - 1
    os.utime(file, (old_s, old_s))
    assert status_of(f"{address}/metrics") == 503


def test_only_this_machine_is_answered_and_only_under_its_own_name(served: tuple[str, Path]) -> None:
    address, file = served
    file.write_text("allscope_paused 0.0\n")
    assert status_of(f"{address}/metrics", "evil.example") == 421
    assert status_of(f"{address}/") == 404
    port = int(address.rsplit(":", 1)[1])
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # free: nothing listens at all addresses


def test_who_knocks_a_hundred_times_gets_no_hundred_threads(served: tuple[str, Path]) -> None:
    port = int(served[0].rsplit(":", 1)[1])
    before = threading.active_count()
    knocking = [socket.create_connection(("127.0.0.1", port), 2) for _ in range(100)]
    time.sleep(0.3)
    assert threading.active_count() - before <= SEATS
    for each in knocking:
        each.close()
    served[1].write_text("allscope_paused 0.0\n")
    time.sleep(0.5)  # until the seats are free again
    assert status_of(f"{served[0]}/metrics") == 200
