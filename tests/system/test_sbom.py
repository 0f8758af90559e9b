"""scripts/sbom: a lock and its wheels in the words of CycloneDX, and nothing that is not known."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = ("pi-bookworm", "pi-trixie", "dev", "oldest")
LIGHT = "light-2.1-cp{0}-cp{0}-manylinux2014_aarch64.whl"
SMALL = """\
gravity==1.0 \\
    --hash=sha256:{gravity}
    # via
    #   -c (workspace)
    #   light
light==2.1 ; sys_platform == 'linux' \\
    --hash=sha256:{light311} \\
    --hash=sha256:{light313}
    # via allscope (pyproject.toml)

# The following packages were excluded from the output:
# numpy
"""


def sbom(*words: object, cwd: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, REPOSITORY / "scripts/sbom", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script in this process, for what is asked of it many times; leaves no bytecode beside it."""
    path = str(REPOSITORY / "scripts/sbom")
    loader = SourceFileLoader("scripts_sbom", path)
    spec = spec_from_file_location(loader.name, path, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        loader.exec_module(module)
    return module


def run(script: ModuleType, *words: object) -> int:
    """Its exit status, in this process and on one day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        status: int = script.main(list(map(str, words)))
    return status


def made(script: ModuleType, out: Path, *words: object) -> dict[str, Any]:
    assert run(script, *words, "--out", out) == 0
    found: dict[str, Any] = json.loads(out.read_text())
    return found


@pytest.fixture(scope="module")
def bills(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Those of our locks, by the lock's name."""
    folder = tmp_path_factory.mktemp("bills")
    return {
        lock: made(script, folder / f"{lock}.json", REPOSITORY / f"requirements/{lock}.txt") for lock in LOCKS
    }


def wheel(folder: Path, name: str, *metadata: str, extra: str = "") -> str:
    """A wheel that holds its metadata only; gives its SHA-256."""
    folder.mkdir(exist_ok=True)
    project, version = name.split("-")[:2]
    with zipfile.ZipFile(folder / name, "w") as archive:
        lines = ["Metadata-Version: 2.4", f"Name: {project}", f"Version: {version}", *metadata]
        archive.writestr(f"{project}-{version}.dist-info/METADATA", "\n".join(lines) + "\n\nText.\n")
        if extra:
            archive.writestr(f"{project}-{version}.dist-info/sboms/{extra}", "{}")
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return tmp_path / "wheels"


@pytest.fixture
def small(tmp_path: Path, wheels: Path) -> Path:
    """A lock of two packages, one with a wheel for each of two Pythons, and numpy left to the system."""
    declared = (
        "License-Expression: MIT OR Apache-2.0",
        "Requires-Dist: numpy>=1",
        'Requires-Dist: six; extra == "a"',
    )
    hashes = {
        "gravity": wheel(wheels, "gravity-1.0-py3-none-any.whl", "License: " + "All of its text. " * 9),
        "light311": wheel(wheels, LIGHT.format("311"), *declared, extra="a.cdx.json"),
        "light313": wheel(wheels, LIGHT.format("313"), *declared),
    }
    lock = tmp_path / "pi-bookworm.txt"
    lock.write_text(SMALL.format(**hashes))
    return lock


def by_name(bill: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in bill["components"]}


def graph(bill: dict[str, Any]) -> dict[str, list[str]]:
    return {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_of_ours_becomes_valid_cyclonedx_with_every_package_in_it_and_no_other(
    bills: dict[str, dict[str, Any]], lock: str
) -> None:
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text()
    pins = set(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bills[lock])) is None
    named = [one for one in bills[lock]["components"] if one["purl"].startswith("pkg:pypi/")]
    assert {(one["name"], one["version"]) for one in named} == pins
    assert len(named) == len(pins)
    for one in named:
        purl = PackageURL.from_string(one["purl"])
        assert (purl.name, purl.version) == (one["name"], one["version"])
    assert {PackageURL.from_string(one["purl"]).type for one in bills[lock]["components"]} <= {"pypi", "deb"}
    hashes = {h["content"] for one in named for ref in one["externalReferences"] for h in ref["hashes"]}
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", text))


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_in_it_is_needed_by_something_that_allscope_needs(
    bills: dict[str, dict[str, Any]], lock: str
) -> None:
    needs, seen, waiting = graph(bills[lock]), set[str](), ["allscope"]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += needs[one]
    assert seen == {"allscope", *(one["bom-ref"] for one in bills[lock]["components"])}


def test_it_is_about_allscope_at_its_version_and_licence(bills: dict[str, dict[str, Any]]) -> None:
    own = bills["pi-trixie"]["metadata"]["component"]
    assert (own["name"], own["type"]) == ("allscope", "application")
    assert f'version = "{own["version"]}"' in (REPOSITORY / "pyproject.toml").read_text()
    assert own["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_the_same_lock_gives_the_same_bytes_anywhere_and_another_lock_another_serial_number(
    tmp_path: Path, bills: dict[str, dict[str, Any]]
) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    lock = REPOSITORY / "requirements/pi-trixie.txt"
    assert sbom(lock, "--out", first, TZ="UTC", PYTHONHASHSEED="1").returncode == 0
    elsewhere = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "2"}
    assert sbom(lock, "--out", second, cwd=tmp_path, **elsewhere).returncode == 0
    assert first.read_bytes() == second.read_bytes()
    assert bills["pi-trixie"] == json.loads(first.read_text())
    assert bills["pi-trixie"]["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert len({bill["serialNumber"] for bill in bills.values()}) == len(LOCKS)


def test_without_git_and_without_a_given_date_no_clock_is_read(
    tmp_path: Path, script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(script, "REPOSITORY", tmp_path)
    assert script.when().isoformat() == "2020-02-02T00:00:00+00:00"


def test_with_wheels_hash_and_licence_are_those_of_the_file_for_that_python(
    tmp_path: Path, script: ModuleType, small: Path, wheels: Path
) -> None:
    own = wheel(wheels, "allscope-0.1.0-py3-none-any.whl")
    for python, digits in (("3.11", "311"), ("3.13", "313")):
        bill = made(script, tmp_path / "out.json", small, "--wheels", wheels, "--python", python)
        light = by_name(bill)["light"]
        file = wheels / LIGHT.format(digits)
        assert light["hashes"] == [
            {"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}
        ]
        assert {"name": "allscope:file", "value": file.name} in light["properties"]
        assert light["licenses"] == [{"acknowledgement": "declared", "expression": "MIT OR Apache-2.0"}]
        assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": own}]


def test_a_bill_of_materials_inside_a_wheel_is_pointed_at(
    tmp_path: Path, script: ModuleType, small: Path, wheels: Path
) -> None:
    bill = made(script, tmp_path / "out.json", small, "--wheels", wheels, "--python", "3.11")
    assert by_name(bill)["light"]["externalReferences"] == [
        {"type": "bom", "url": "light-2.1.dist-info/sboms/a.cdx.json"}
    ]


def test_a_licence_that_is_not_named_is_left_open_and_told(
    tmp_path: Path, script: ModuleType, small: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(script, small, "--wheels", wheels, "--python", "3.11", "--out", tmp_path / "out.json") == 0
    assert "no licence declared for gravity" in capsys.readouterr().out
    assert "licenses" not in by_name(json.loads((tmp_path / "out.json").read_text()))["gravity"]


def test_numpy_is_the_systems_where_the_lock_leaves_it_out(
    tmp_path: Path, script: ModuleType, small: Path, wheels: Path
) -> None:
    bill = made(script, tmp_path / "out.json", small, "--wheels", wheels, "--python", "3.11")
    numpy = by_name(bill)["python3-numpy"]
    assert numpy["purl"] == "pkg:deb/debian/python3-numpy?distro=bookworm"
    assert not {"version", "hashes", "licenses"} & numpy.keys()
    light = "pkg:pypi/light@2.1"
    assert graph(bill) == {
        "allscope": [numpy["purl"], light],
        light: [numpy["purl"], "pkg:pypi/gravity@1.0"],
        "pkg:pypi/gravity@1.0": [],
        numpy["purl"]: [],
    }


def test_a_wheel_other_than_the_locks_is_refused(
    tmp_path: Path, script: ModuleType, small: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel(wheels, "gravity-1.0-py3-none-any.whl", "License: MIT")
    status = run(script, small, "--wheels", wheels, "--python", "3.11", "--out", tmp_path / "out.json")
    assert status == 1
    told = capsys.readouterr().err
    assert "error[wheel-differs]: gravity-1.0-py3-none-any.whl is not the file that the lock" in told
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("python", "told"),
    [("3.12", "light 2.1 has no wheel"), (None, "light 2.1 has several wheels (say --python")],
)
def test_no_wheel_and_several_are_refused(
    tmp_path: Path,
    script: ModuleType,
    small: Path,
    wheels: Path,
    capsys: pytest.CaptureFixture[str],
    python: str | None,
    told: str,
) -> None:
    chosen = ["--python", python] if python else []
    status = run(script, small, "--wheels", wheels, *chosen, "--out", tmp_path / "out.json")
    assert status == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["six>=1.0", "-e .", "--index-url https://example.org", "six @ file:///x.whl", "<html>"],
)
def test_a_line_that_it_does_not_know_is_refused_and_never_skipped(
    script: ModuleType, small: Path, line: str
) -> None:
    small.write_text(f"{line}\n{small.read_text()}")
    with pytest.raises(script.WrongInputError, match="Run: make lock"):
        script.read_lock(small)


@pytest.mark.parametrize("text", ["", "six==1.0\n"])
def test_a_lock_without_a_package_or_without_hashes_is_refused(
    script: ModuleType, small: Path, text: str
) -> None:
    small.write_text(text)
    with pytest.raises(script.WrongInputError, match="no lock with hashes"):
        script.read_lock(small)


@pytest.mark.parametrize("name", ["nothing.txt", "."])
def test_a_lock_that_cannot_be_read_is_told(
    tmp_path: Path, script: ModuleType, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    status = run(script, tmp_path / name, "--out", tmp_path / "out.json")
    assert status == 2
    assert capsys.readouterr().err.startswith("error[path-unusable]")


def test_a_git_that_tells_no_date_is_told(
    tmp_path: Path, script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").write_text("no checkout\n")
    (tmp_path / "pyproject.toml").write_bytes((REPOSITORY / "pyproject.toml").read_bytes())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    monkeypatch.setattr(script, "REPOSITORY", tmp_path)
    lock = REPOSITORY / "requirements/oldest.txt"
    assert script.main([str(lock), "--out", str(tmp_path / "out.json")]) == 2
    assert "Set SOURCE_DATE_EPOCH." in capsys.readouterr().err
