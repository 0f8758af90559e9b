"""Commands as real processes: what a user types, what comes back, and what must never come back."""

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended."""

    status: int
    out: str
    err: str

    def must_succeed(self) -> "Finished":
        assert self.status == 0, f"exit {self.status}\n{self.out}\n{self.err}"
        return self

    def must_refuse(self, code: str, status: int = 2) -> "Finished":
        """One line that names the error and says what to do; never a traceback."""
        assert "Traceback" not in self.err, self.err
        last = self.err.strip().splitlines()[-1] if self.err.strip() else ""
        assert last.startswith(f"error[{code}]: "), f"exit {self.status}\n{self.out}\n{self.err}"
        assert self.status == status, self.err
        assert len(last.split(". ")) >= 2, f"no next step in: {last}"
        return self


def run_command(
    command: str, *arguments: object, file_limit_bytes: int | None = None, cwd: Path | None = None
) -> Finished:
    """Runs one of our commands; `file_limit_bytes` stands in for a disk that fills up while writing."""

    def limit() -> None:
        if file_limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit_bytes, file_limit_bytes))

    done = subprocess.run(
        [str(BIN / command), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
        preexec_fn=limit,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
