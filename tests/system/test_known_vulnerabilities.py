"""scripts/audit against a vulnerability service of our own: a finding fails, silence is told, never mixed up.

The service speaks OSV's protocol on this machine; each test says what it answers for which package.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VULNERABLE, CLEAN, FAILS, PORTAL, HANGS, CUT_OFF, OTHER_JSON, NO_LIST = (
    "vulnerable",
    "clean",
    "fails",
    "portal",
    "hangs",
    "cut off",
    "other JSON",
    "no list",
)
KNOWN = {
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2026-1", "PYSEC-2026-7"],
    "summary": "A crafted image runs code.",
    "affected": [
        {
            "package": {"name": "light", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.2"}]}],
        }
    ],
}
BODIES = {
    VULNERABLE: json.dumps({"vulns": [KNOWN]}),
    CLEAN: "{}",
    FAILS: "{}",
    PORTAL: "<html>Please log in to the hospital's network</html>",
    OTHER_JSON: '{"error": "no such method"}',
    NO_LIST: '{"vulns": 3}',
}
SILENT = (FAILS, PORTAL, HANGS, CUT_OFF)


class Osv(ThreadingHTTPServer):
    """OSV's query address: `answers` by package, `asked` is what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/query"


class Answer(BaseHTTPRequestHandler):
    server: Osv

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((query["package"]["name"], query["version"]))
        how = self.server.answers.get(query["package"]["name"], CLEAN)
        if how == HANGS:
            self.server.released.wait(30)
        if how in {HANGS, CUT_OFF}:
            self.close_connection = True
            return
        body = BODIES[how].encode()
        self.send_response(500 if how == FAILS else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing on the terminal of the tests."""


@pytest.fixture
def osv() -> Iterator[Osv]:
    server = Osv()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


class Audit:
    """The command with a lock, a list of exceptions and a service of its own."""

    script = str(REPOSITORY / "scripts/audit")

    def __init__(self, folder: Path, osv: Osv) -> None:
        self.folder, self.cache, self.address = folder, str(folder), osv.address
        self.exceptions = folder / "exceptions.toml"
        self.exceptions.write_text("")
        self.lock("dev.txt", "gravity==1.0", "light==2.1", "six==1.17 ; python_full_version >= '3.99'")

    def lock(self, name: str, *pins: str) -> Path:
        file = self.folder / name
        file.write_text("".join(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n" for pin in pins))
        return file

    def let_pass(self, days: int, identity: str = "GHSA-aaaa-bbbb-cccc", package: str = "light") -> None:
        expires = datetime.now(UTC).date() + timedelta(days=days)
        lines = [
            f'id = "{identity}"',
            f'package = "{package}"',
            'reason = "no images"',
            f"expires = {expires}",
        ]
        self.exceptions.write_text("\n".join(["[[exception]]", *lines]))

    def __call__(self, *locks: str) -> tuple[int, str, str]:
        files = [str(self.folder / lock) for lock in locks or ["dev.txt"]]
        ours = {"PIP_AUDIT_OSV_URL": self.address, "XDG_CACHE_HOME": self.cache, "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, self.script, "--exceptions", str(self.exceptions), "--timeout", "1", *files],
            env=os.environ | ours,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def audit(tmp_path: Path, osv: Osv) -> Audit:
    return Audit(tmp_path, osv)


def test_every_package_of_every_lock_is_asked_about_once_also_those_of_other_pythons(
    audit: Audit, osv: Osv
) -> None:
    audit.lock("pi.txt", "light==2.1", "light-dev==0.9")
    status, told, _ = audit("pi.txt", "dev.txt")
    assert status == 0
    assert "4 packages asked about, 0 known vulnerabilities, 0 stand open" in told
    assert sorted(osv.asked) == [("gravity", "1.0"), ("light", "2.1"), ("light-dev", "0.9"), ("six", "1.17")]


def test_a_known_vulnerability_fails_and_is_told_by_all_its_names(audit: Audit, osv: Osv) -> None:
    osv.answers["light"] = VULNERABLE
    status, told, _ = audit()
    assert status == 1
    assert (
        "VULNERABLE: light 2.1 (dev.txt): PYSEC-2026-7, CVE-2026-1, GHSA-aaaa-bbbb-cccc, fixed in 2.2. "
        in told
    )
    assert "A crafted image runs code." in told
    assert "1 stand open" in told


@pytest.mark.parametrize("how", SILENT)
def test_a_service_that_does_not_answer_is_no_finding_and_no_all_clear(
    audit: Audit, osv: Osv, how: str
) -> None:
    osv.answers["gravity"] = how
    status, told, warned = audit()
    assert status == 3
    assert "NOT AUDITED to the end" in warned
    assert told == ""


def test_a_service_that_is_not_there_is_told_in_the_same_way(audit: Audit) -> None:
    audit.address = "http://127.0.0.1:9/v1/query"
    status, told, warned = audit()
    assert (status, told) == (3, "")
    assert "NOT AUDITED to the end" in warned


@pytest.mark.parametrize("how", SILENT)
def test_a_finding_is_not_lost_when_the_service_goes_away_after_it(audit: Audit, osv: Osv, how: str) -> None:
    audit.lock("dev.txt", "light==2.1", "six==1.17")
    osv.answers |= {"light": VULNERABLE, "six": how}
    status, told, warned = audit()
    assert status == 1
    assert "VULNERABLE: light 2.1" in told
    assert "NOT AUDITED to the end" in warned


@pytest.mark.parametrize("how", [OTHER_JSON, NO_LIST])
def test_an_answer_in_another_form_than_osvs_fails_lest_ci_be_green_for_ever(
    audit: Audit, osv: Osv, how: str
) -> None:
    osv.answers["six"] = how
    assert audit()[0] == 1


@pytest.mark.parametrize("identity", ["GHSA-aaaa-bbbb-cccc", "CVE-2026-1", "PYSEC-2026-7"])
def test_an_exception_lets_it_pass_by_any_of_its_names_and_tells_the_reason(
    audit: Audit, osv: Osv, identity: str
) -> None:
    osv.answers["light"] = VULNERABLE
    audit.let_pass(days=0, identity=identity)
    status, told, _ = audit()
    assert status == 0
    assert "passes: until " in told
    assert "no images" in told


def test_an_exception_that_ended_yesterday_fails_again(audit: Audit, osv: Osv) -> None:
    osv.answers["light"] = VULNERABLE
    audit.let_pass(days=-1)
    status, told, _ = audit()
    assert status == 1
    assert "VULNERABLE: its exception ended on " in told


@pytest.mark.parametrize(
    "other", [{"identity": "GHSA-xxxx-xxxx-xxxx"}, {"package": "gravity"}], ids=["other-id", "other-package"]
)
def test_an_exception_covers_one_vulnerability_of_one_package(
    audit: Audit, osv: Osv, other: dict[str, str]
) -> None:
    osv.answers["light"] = VULNERABLE
    audit.let_pass(days=30, **other)
    status, told, _ = audit()
    assert status == 1
    assert "is not needed any more" in told


@pytest.mark.parametrize(
    "text",
    [
        '[[exception]]\nid = "a"\npackage = "b"\nreason = "c"\n',
        '[[exception]]\nid = "a"\npackage = "b"\nreason = " "\nexpires = 2020-01-01\n',
        '[[exception]]\nid = "a"\npackage = "b"\nreason = "c"\nexpires = "2020-01-01"\n',
        '[[exception]]\nid = "a"\npackage = "b"\nreason = "c"\nexpires = 2999-01-01\n',
        '[[exception]]\nid = "a"\npackage = "b"\nreason = "c"\nexpires = 2020-01-01\nfor = "ever"\n',
        "not toml",
    ],
    ids=["no-end", "no-reason", "no-date", "for-ever", "unknown-field", "no-toml"],
)
def test_exceptions_need_a_reason_and_an_end_within_half_a_year(audit: Audit, text: str) -> None:
    audit.exceptions.write_text(text)
    status, _, told = audit()
    assert status == 2
    assert told.startswith("error[path-unusable]")


def test_the_oldest_versions_are_told_and_fail_only_where_another_lock_has_them(
    audit: Audit, osv: Osv
) -> None:
    osv.answers["light"] = VULNERABLE
    audit.lock("oldest.txt", "light==2.1")
    audit.lock("dev.txt", "light==2.2")
    status, told, _ = audit("oldest.txt")
    assert status == 0
    assert "passes: in the oldest versions that we support, which tests alone install: light 2.1" in told
    audit.lock("dev.txt", "light==2.1")
    assert audit("dev.txt", "oldest.txt")[0] == 1


@pytest.mark.parametrize(
    "text", ["light==2.1\n", "light>=2.1 --hash=sha256:" + "0" * 64, "<<<<<<< HEAD\n", ""]
)
def test_a_lock_without_versions_hashes_or_packages_fails_before_anybody_is_asked(
    audit: Audit, osv: Osv, text: str
) -> None:
    (audit.folder / "dev.txt").write_text(text)
    status, _, told = audit()
    assert status == 2
    assert told.startswith("error[path-unusable]")
    assert osv.asked == []


def test_a_missing_lock_is_wrong_input(audit: Audit) -> None:
    assert audit("none.txt")[0] == 2


def test_the_exceptions_of_the_repository_can_be_read_and_all_our_locks_are_asked_about(
    audit: Audit, osv: Osv
) -> None:
    audit.exceptions = REPOSITORY / "requirements/audit-exceptions.toml"
    names = [file.name for file in (REPOSITORY / "requirements").glob("*.txt")]
    audit.folder = REPOSITORY / "requirements"
    assert audit(*names)[0] == 0
    for name in ("numpy", "pip-audit", "tflite-runtime", "ai-edge-litert"):
        assert name in dict(osv.asked)


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (1, 1), (2, 2), (3, 0), (137, 137)])
def test_ci_leaves_out_silence_aloud_and_fails_on_all_else(tmp_path: Path, status: int, ends: int) -> None:
    text = (REPOSITORY / ".ci/run").read_text()
    rule = text[text.index("leave_out()") : text.index("\n", text.index("leave_out()"))]
    part = text[text.index("audited=0") : text.index("esac") + 4]
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nexit {status}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{rule}\n{part}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends
    assert ("left out: known vulnerabilities" in done.stdout) == (status == 3)
