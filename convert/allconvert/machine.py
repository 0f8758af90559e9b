"""What a time was measured on: without the machine and how busy it was, milliseconds mean nothing."""

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from alledge.strict_json import Json
from alltrain.datasets.parallel import n_cores

CPU_INFO: Final = Path("/proc/cpuinfo")
# Raspberry Pis name their board here, and no processor in /proc/cpuinfo.
BOARD: Final = Path("/proc/device-tree/model")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, cores that may be used, and the load averages over 1, 5 and 15 minutes when asked."""

    processor: str
    architecture: str
    n_cores: int
    load: tuple[float, float, float]
    system: str

    def as_json(self) -> dict[str, Json]:
        """For --json."""
        return {**asdict(self), "load": list(self.load)}

    def __str__(self) -> str:
        load = " ".join(f"{value:.1f}" for value in self.load)
        return f"{self.processor}, {self.architecture}, {self.n_cores} cores, load {load}, {self.system}"


def this_machine() -> Machine:
    """The machine of this process, now."""
    return Machine(
        _processor(),
        platform.machine(),
        n_cores(),
        os.getloadavg(),
        f"{platform.system()} {platform.release()}",
    )


def _processor() -> str:
    if BOARD.is_file():
        return BOARD.read_bytes().decode(errors="replace").strip("\0 \n")
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
