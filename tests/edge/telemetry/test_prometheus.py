"""What Prometheus itself says of our file, rules and dashboard: promtool, and a server that scrapes."""

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prometheus_client", reason="the extra `fleet` is not installed")

from alledge.faults.world import FaultPlan, World
from alledge.telemetry.endpoint import metrics_server
from alledge.telemetry.names import METRICS_FILE
from tests.conftest import REPOSITORY
from tests.edge.service.tiny_service import scenery
from tests.edge.telemetry.test_metrics import reporter

RULES = REPOSITORY / "deploy" / "prometheus" / "allscope.rules.yml"
DRIFT = RULES.with_name("allscope.drift.rules.yml")
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "allscope.json"
NOT_ALWAYS = {"allscope_temperature_celsius", "allscope_under_voltage", "allscope_outbox_events"}
NOT_ALWAYS |= {"allscope_journal_bytes", "allscope_trouble"}  # of a healthy world without a file


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: apt-get install prometheus")
    return found


@pytest.fixture
def metrics_file(tmp_path: Path) -> Path:
    world = World(scenery(), FaultPlan(), seed=5)
    for _ in range(30):
        world.step()
    reporter(world, tmp_path).tend()
    return tmp_path / METRICS_FILE


def promtool(*arguments: object, told: bytes | None = None) -> None:
    done = subprocess.run(
        [tool("promtool"), *map(str, arguments)], input=told, capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def queries() -> list[str]:
    """Each query of the dashboard, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    told = [target["expr"] for panel in panels for target in panel["targets"]]
    return [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in told]


def test_promtool_finds_no_fault_with_the_file(metrics_file: Path) -> None:
    promtool("check", "metrics", told=metrics_file.read_bytes())


@pytest.mark.parametrize("rules", [RULES, DRIFT], ids=["faults", "drift"])
def test_promtool_finds_no_fault_with_the_rules(rules: Path) -> None:
    promtool("check", "rules", rules)


@pytest.mark.parametrize("rules", [RULES, DRIFT], ids=["faults", "drift"])
def test_each_alert_fires_on_its_fault_and_on_no_good_day(rules: Path) -> None:
    promtool("test", "rules", rules.with_suffix(".test.yml"))


@pytest.mark.parametrize("rules", [RULES, DRIFT], ids=["faults", "drift"])
def test_each_alert_has_a_test(rules: Path) -> None:
    alerts = set(re.findall(r"alert: (\w+)", rules.read_text()))
    cases = rules.with_suffix(".test.yml").read_text()
    assert alerts == set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", cases))


def test_each_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_rules_and_dashboard_ask_for_nothing_that_we_do_not_tell(metrics_file: Path) -> None:
    told = set(re.findall(r"^(allscope_\w+)", metrics_file.read_text(), re.MULTILINE)) | NOT_ALWAYS
    both = RULES.read_text() + DRIFT.read_text()
    both = RULES.read_text() + DRIFT.read_text()
    rules = re.sub(r"#.*|(summary|action|record): [^,\n]*|allscope:tolerance", "", both)
    asked = set(re.findall(r"(?<!:)\ballscope_\w+", rules + "\n".join(queries())))
    assert asked <= told, asked - told


@pytest.fixture
def prometheus(metrics_file: Path, tmp_path: Path) -> Iterator[str]:
    """A real server that scrapes ours; its address."""
    program = tool("prometheus")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with metrics_server(metrics_file, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = f"127.0.0.1:{server.server_address[1]}"
        config = tmp_path / "prometheus.yml"
        jobs = [{"job_name": "a", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}]
        config.write_text(json.dumps({"rule_files": [str(RULES)], "scrape_configs": jobs}))
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
        command.append(f"--web.listen-address={address}")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            yield f"http://{address}"
            process.terminate()
            process.wait(20)
        server.shutdown()


def ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result


def test_a_real_prometheus_takes_all_of_it_in_and_adds_it_up(prometheus: str) -> None:
    end_s = time.monotonic() + 60
    unaccounted = (
        "allscope_frames_captured_total - allscope_frames_analysed_total"
        " - on (instance) sum by (instance) (allscope_frames_dropped_total)"
        " - on (instance) allscope_frames_in_flight"
    )
    found: list[dict[str, Any]] = []
    while not found:
        assert time.monotonic() < end_s, "Prometheus never scraped"
        time.sleep(0.3)
        try:
            found = ask(prometheus, unaccounted)
        except OSError:
            continue  # it is still starting
    assert [sample["value"][1] for sample in found] == ["0"]
    assert float(ask(prometheus, "sum(allscope_calls_total)")[0]["value"][1]) > 0
