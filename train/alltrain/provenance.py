"""Where a run comes from: which code, which packages, which data, which machine, when, by which command.

A figure that nobody can trace is a rumour. What can be told is told at the start of every fit and kept
beside the results, apart from config.json: `--resume` compares that one, and a run may well go on with
another machine or a newer package. So every start of a run adds one entry, and the last one is the one
that wrote the results.

Nothing here may stop a fit: what cannot be found out is None, or said in words.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import alledge
import alltrain
from alledge.durable import write_whole
from alledge.strict_json import Json
from alltrain.backend import load_keras, package_versions
from alltrain.distribution import ALONE, Distribution

PROVENANCE: Final = "provenance.json"
CLOCK_WRONG: Final = "wrong: earlier than the last commit of the code that ran"
CLOCK_SYNCHRONISED: Final = "wall clock of this machine, which reports that it follows a time server"
CLOCK_UNVERIFIED: Final = "wall clock of this machine; whether anything sets it right is not known"
_GIT_TIMEOUT_S: Final = 10.0
# systemd-timesyncd(8) keeps this file once the clock has followed a server since boot.
_SYNCHRONISED_MARK: Final = Path("/run/systemd/timesync/synchronized")


@dataclass(frozen=True, slots=True)
class Code:
    """State of the checkout that allscope ran from.

    dirty: a file of the packages differs from the commit, or is not in it. committed_at: of that commit.
    """

    commit: str
    dirty: bool
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Machine:
    """What the fit ran on. accelerators: as Keras names them; empty when it computes on the processor.

    n_replicas: devices that trained together. n_workers: processes, this one told of; 1 by itself.
    """

    system: str
    architecture: str
    n_cpus: int
    accelerators: tuple[str, ...]
    backend: str
    n_replicas: int = 1
    n_workers: int = 1


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a run. code: None when allscope runs from an installed package, not from a checkout."""

    command_line: tuple[str, ...]
    data_fingerprint: str
    versions: dict[str, str]
    code: Code | None
    machine: Machine
    started_at: datetime
    clock: str

    def as_json(self) -> dict[str, Json]:
        """The entry of RUN/provenance.json."""
        code = self.code
        commit: dict[str, Json] | None = (
            None if code is None else {"commit": code.commit, "dirty": code.dirty}
        )
        accelerators: list[Json] = [*self.machine.accelerators]
        command_line: list[Json] = [*self.command_line]
        versions: dict[str, Json] = {**self.versions}
        return {
            "command_line": command_line,
            "data_fingerprint": self.data_fingerprint,
            "versions": versions,
            "code": commit,
            "machine": {
                "system": self.machine.system,
                "architecture": self.machine.architecture,
                "n_cpus": self.machine.n_cpus,
                "accelerators": accelerators,
                "backend": self.machine.backend,
                "n_replicas": self.machine.n_replicas,
                "n_workers": self.machine.n_workers,
            },
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "clock": self.clock,
        }


def describe_start(
    data_fingerprint: str,
    command_line: Sequence[str] | None = None,
    distribution: Distribution = ALONE,
) -> Start:
    """What can be told of a run that starts now.

    data_fingerprint: of the patches, as `alltrain.datasets.dataset.fingerprint` gives it.
    command_line: the command and its arguments; those of this process by default.
    distribution: the replicas that train together.
    """
    code = code_state(Path(alltrain.__file__).parent, Path(alledge.__file__).parent)
    started_at = datetime.now(UTC)
    return Start(
        command_line=tuple(_own_command_line() if command_line is None else command_line),
        data_fingerprint=data_fingerprint,
        versions=package_versions(),
        code=code,
        machine=_this_machine(distribution),
        started_at=started_at,
        clock=clock_trust(started_at, code, _SYNCHRONISED_MARK.exists()),
    )


def write_start(out: Path, start: Start) -> dict[str, Json]:
    """Add one start to RUN/provenance.json, and give the whole content back.

    A file that cannot be read as such is begun anew: it is a record, not a condition of a fit.

    Raises:
        StorageFailed: `out` cannot be written.
    """
    content: dict[str, Json] = {"starts": [*read_starts(out), start.as_json()]}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(out / PROVENANCE, text.encode())
    return content


def read_starts(out: Path) -> list[Json]:
    """Starts of a run so far, oldest first; none where nothing readable lies there."""
    try:
        content = json.loads((out / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    starts = content.get("starts") if isinstance(content, dict) else None
    return starts if isinstance(starts, list) else []


def clock_trust(now: datetime, code: Code | None, synchronised: bool) -> str:
    """How far the wall clock can be trusted, in words.

    A clock that stands before the commit of the code that it times is wrong, whatever it reports.
    """
    if code is not None and now < code.committed_at:
        return CLOCK_WRONG
    return CLOCK_SYNCHRONISED if synchronised else CLOCK_UNVERIFIED


def code_state(*packages: Path) -> Code | None:
    """Commit of the checkout that holds these package folders, and whether they differ from it.

    None when they are no part of a git checkout (an installed package, even one that lies in somebody
    else's checkout), when git is not installed, or when it does not answer.
    """
    marks = [str(package / "__init__.py") for package in packages]
    if _git(packages[0], "ls-files", "--error-unmatch", "--", *marks) is None:
        return None
    head = _git(packages[0], "log", "-1", "--format=%H %cI")
    changes = _git(packages[0], "status", "--porcelain", "--", *map(str, packages))
    if head is None or changes is None:
        return None
    commit, _, committed_at = head.strip().partition(" ")
    return Code(commit, bool(changes.strip()), datetime.fromisoformat(committed_at))


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says about a folder; None when it cannot say."""
    git = shutil.which("git")
    if git is None:
        return None
    # A hook or a script may point git elsewhere; and asking must not write, not even the index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and our own folders
            [git, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_TIMEOUT_S,
            env=environment,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _own_command_line() -> list[str]:
    """As typed, the program by its name: where it is installed says nothing about the run."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _this_machine(distribution: Distribution) -> Machine:
    keras = load_keras()
    devices = [str(device) for device in keras.distribution.list_devices()]
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        n_cpus=os.cpu_count() or 1,
        accelerators=tuple(name for name in devices if not name.lower().startswith("cpu")),
        backend=str(keras.backend.backend()),
        n_replicas=distribution.n_replicas,
        n_workers=distribution.n_workers,
    )
