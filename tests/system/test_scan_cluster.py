"""`alledge scan --cluster` with Dask's own scheduler and workers: the bytes of one process, once each."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.scanning.archive import make_archive
from tests.edge.service.tiny_service import true_model_bytes
from tests.system.dask_cluster import DaskCluster, dask_cluster
from tests.system.processes import BIN, Finished, run_command
from tests.system.tls_files import tls_environment

N = 150
PIXEL_UM = 0.25


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive of which two images are damaged, a model, and the results of one process."""
    folder = tmp_path_factory.mktemp("site")
    archive = make_archive(folder / "in", N)
    (archive / "field0007.png").write_bytes(b"no pixels")
    whole = (archive / "field0050.png").read_bytes()
    (archive / "field0050.png").write_bytes(whole[: len(whole) // 2])
    (folder / "tiny.tflite").write_bytes(true_model_bytes())
    assert run_command("alledge", *command("one.jsonl"), "--jobs", 1, cwd=folder).status == 2
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers, one with a nanny and one without."""
    with dask_cluster(tmp_path_factory.mktemp("dask") / "cluster") as cluster:
        cluster.start_worker()
        cluster.start_worker("--no-nanny")
        cluster.wait_for_workers(2)
        yield cluster


def command(out: str, *more: object) -> list[object]:
    return ["scan", "in", "--model", "tiny.tflite", "--pixel-um", PIXEL_UM, "--out", out, *more]


def start(site: Path, out: str, cluster: DaskCluster) -> subprocess.Popen[bytes]:
    arguments = command(out, "--cluster", cluster.file, "--resume")
    return subprocess.Popen([str(part) for part in (BIN / "alledge", *arguments)], cwd=site)


def wait_for_images(process: subprocess.Popen[str] | subprocess.Popen[bytes], working: Path, n: int) -> None:
    while process.poll() is None and (not working.exists() or working.read_bytes().count(b"\n") <= n):
        time.sleep(0.005)
    assert process.poll() is None, "the scan was over before it could be disturbed"


def must_equal(site: Path, out: str) -> None:
    for name in ("", ".errors"):
        assert (site / f"{out}{name}").read_bytes() == (site / f"one.jsonl{name}").read_bytes()
    assert not (site / f"{out}.scanning").exists()


def children(pid: int) -> list[int]:
    told = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for children in told for child in children.split()]


def test_two_workers_write_the_bytes_of_one_process(site: Path, cluster: DaskCluster) -> None:
    done = run_command("alledge", *command("two.jsonl", "--cluster", cluster.address), cwd=site)
    assert done.status == 2, done.err
    assert done.err.count("skipped [image-unreadable]") == 2
    must_equal(site, "two.jsonl")


def test_workers_that_are_killed_change_nothing(site: Path, cluster: DaskCluster) -> None:
    """First the one behind a nanny, which starts another; then the one for which nobody steps in."""
    scheduler, with_nanny, alone = cluster.processes[:3]
    assert scheduler is cluster.scheduler
    process = start(site, "killed.jsonl", cluster)
    wait_for_images(process, site / "killed.jsonl.scanning", 20)
    [behind_nanny] = [pid for pid in children(with_nanny.pid) if b"spawn_main" in cmdline(pid)]
    os.kill(behind_nanny, signal.SIGKILL)
    wait_for_images(process, site / "killed.jsonl.scanning", 60)
    image_processes = children(alone.pid)
    assert image_processes
    alone.kill()
    assert process.wait(120) == 2
    must_equal(site, "killed.jsonl")
    assert not any(b"scanning.worker" in cmdline(pid) for pid in image_processes), "one outlived its worker"
    cluster.start_worker("--no-nanny")


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_a_command_that_is_killed_goes_on_here_or_there(site: Path, cluster: DaskCluster) -> None:
    working = site / "resumed.jsonl.scanning"
    for n in (30, 90):
        process = start(site, "resumed.jsonl", cluster)
        wait_for_images(process, working, n)
        process.kill()
        process.wait()
    here = run_command("alledge", *command("resumed.jsonl", "--resume"), cwd=site)
    assert here.status == 2, here.err
    must_equal(site, "resumed.jsonl")


def test_pictures_are_those_of_one_process_and_lie_where_the_command_said(
    site: Path, cluster: DaskCluster
) -> None:
    (site / "few").mkdir()
    for index in range(3):
        (site / "few" / f"{index}.png").hardlink_to(site / "in" / f"field000{index}.png")
    for where, more in (("here", ["--jobs", 1]), ("there", ["--cluster", cluster.file])):
        arguments = ["scan", "few", "--out", f"{where}.jsonl", "--pictures", f"pictures-{where}", *more]
        run_command("alledge", *arguments, cwd=site).must_succeed()
    here, there = (
        {path.name: path.read_bytes() for path in (site / f"pictures-{where}").glob("*.jpg")}
        for where in ("here", "there")
    )
    assert here == there
    assert len(here) == 3


def test_a_scheduler_that_is_killed_ends_the_scan_in_words_and_loses_nothing(
    site: Path, tmp_path: Path
) -> None:
    out = site / "lost.jsonl"
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.start_worker("--no-nanny")
        arguments = command(out.name, "--cluster", cluster.file, "--resume")
        with subprocess.Popen(
            [str(part) for part in (BIN / "alledge", *arguments)], cwd=site, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_for_images(process, site / "lost.jsonl.scanning", 20)
            assert cluster.scheduler is not None
            cluster.scheduler.kill()
            _, told = process.communicate(timeout=60)
        assert process.returncode == 1, told
        assert told.splitlines()[-1].startswith("error[cluster-lost]: "), told
        assert "Traceback" not in told, told
    assert run_command("alledge", *command(out.name, "--resume"), cwd=site).status == 2
    must_equal(site, out.name)


@pytest.mark.parametrize(
    ("odd", "code", "told"),
    [
        ("differs", "worker-differs", "version of OpenCV: 4.5.5"),
        ("rounds", "worker-differs", "field0000.png"),
        ("blind", "archive-unseen", "field0000.png"),
    ],
)
def test_a_worker_that_is_another_machine_gets_no_image(
    odd: str, code: str, told: str, site: Path, tmp_path: Path
) -> None:
    """It is there alone when the command asks, so that no other one can do its work."""
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.start_worker("--no-nanny", odd=odd)
        done = run_command("alledge", *command(f"{odd}.jsonl", "--cluster", cluster.file), cwd=site)
    assert told in done.must_refuse(code).err
    assert not list(site.glob(f"{odd}.jsonl*"))


def test_a_worker_that_joins_later_and_differs_ends_the_scan_and_what_is_done_stays(
    site: Path, tmp_path: Path
) -> None:
    out = site / "joined.jsonl"
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.start_worker("--no-nanny", odd="slow")
        arguments = command(out.name, "--cluster", cluster.file)
        with subprocess.Popen(
            [str(part) for part in (BIN / "alledge", *arguments)], cwd=site, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_for_images(process, site / "joined.jsonl.scanning", 3)
            cluster.start_worker("--no-nanny", odd="differs")
            _, told = process.communicate(timeout=60)
    assert process.returncode == 2, told
    assert told.splitlines()[-1].startswith("error[worker-differs]: "), told
    assert "version of OpenCV: 4.5.5" in told
    assert run_command("alledge", *command(out.name, "--resume"), cwd=site).status == 2
    must_equal(site, out.name)


def test_a_worker_or_scheduler_without_allscope_is_told_as_such(site: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.py"
    bare.write_text("import sys\nsys.modules['alledge'] = None\n")
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.start_worker("--no-nanny", "--preload", str(bare))
        done = run_command("alledge", *command("bare.jsonl", "--cluster", cluster.file), cwd=site)
    assert "does not have the allscope" in done.must_refuse("worker-differs").err
    with dask_cluster(tmp_path / "another", None, "--preload", str(bare)) as cluster:
        cluster.start_worker("--no-nanny")
        done = run_command("alledge", *command("bare.jsonl", "--cluster", cluster.file), cwd=site)
    assert "does not have the allscope" in done.must_refuse("worker-differs").err


def test_an_image_that_takes_the_worker_with_it_is_told_and_the_others_have_their_field(
    tmp_path: Path,
) -> None:
    """Dask, which gives up at once here, blames all that the worker had: only one of them is at fault."""
    archive = make_archive(tmp_path / "in", 4)
    (archive / "field0001.png").rename(archive / "field0001-dies.png")
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with dask_cluster(tmp_path / "cluster", allowed) as cluster:
        cluster.start_worker(odd="dies")
        arguments = ["scan", archive, "--out", tmp_path / "r.jsonl", "--cluster", cluster.file]
        done = run_command("alledge", *arguments)
    assert done.status == 2, done.err
    assert done.err.count("skipped [") == done.err.count("skipped [worker-died]") == 1
    assert (
        "field0001-dies.png: every worker of the cluster that had it was lost, 1 at the last try" in done.err
    )
    assert (tmp_path / "r.jsonl").read_text().count("\n") == 3


def test_a_cluster_without_workers_is_told_and_given_up(site: Path, tmp_path: Path) -> None:
    with dask_cluster(tmp_path / "cluster") as cluster:
        arguments = command("none.jsonl", "--cluster", cluster.file, "--cluster-wait", 1)
        done = run_command("alledge", *arguments, cwd=site)
    assert "waiting 1 s" in done.must_refuse("cluster-empty", status=1).err


def test_where_no_scheduler_is_the_address_is_told(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    for scheduler in ("tcp://127.0.0.1:9", "no-such-file.json", "tls://127.0.0.1:9"):
        done = run_command("alledge", *command("none.jsonl", "--cluster", scheduler), cwd=site)
        assert scheduler in done.must_refuse("cluster-unreachable").err
    assert not list(site.glob("none.jsonl*"))


def test_a_scheduler_that_takes_the_connection_and_says_nothing_is_not_waited_for_in_vain(
    site: Path,
) -> None:
    """As one whose machine hangs. In a process of its own, which must also end with Dask's threads in it."""
    impatient = (
        "from alledge import cli; from alledge.scanning import dask_client as d; d._CONNECT_S = 2; cli.main()"
    )
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        arguments = [sys.executable, "-c", impatient, *command("mute.jsonl", "--cluster", address)]
        done = subprocess.run(
            [str(part) for part in arguments],
            cwd=site,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    Finished(done.returncode, done.stdout, done.stderr).must_refuse("cluster-unreachable")
    assert "no answer for 2 s" in done.stderr


def test_a_cluster_behind_tls_answers_those_who_have_a_certificate(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = tls_environment(tmp_path / "tls") | {"DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    with dask_cluster(tmp_path / "cluster", tls, "--protocol", "tls") as cluster:
        assert cluster.address.startswith("tls://")
        cluster.start_worker("--no-nanny", "--protocol", "tls")
        with monkeypatch.context() as with_certificate:
            for name, value in tls.items():
                with_certificate.setenv(name, value)
            done = run_command("alledge", *command("tls.jsonl", "--cluster", cluster.file), cwd=site)
        assert done.status == 2, done.err
        must_equal(site, "tls.jsonl")
        monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
        for scheduler in (cluster.address, cluster.address.replace("tls", "tcp")):
            done = run_command("alledge", *command("none.jsonl", "--cluster", scheduler), cwd=site)
            done.must_refuse("cluster-unreachable")


def test_processes_of_this_machine_and_a_cluster_are_not_for_one_scan(site: Path) -> None:
    done = run_command(
        "alledge", *command("no.jsonl", "--cluster", "tcp://127.0.0.1:9", "--jobs", 2), cwd=site
    )
    assert done.status == 2
    assert "--jobs" in done.err
