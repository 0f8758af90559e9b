"""What a page is told when it starts."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PageSettings:
    """Where a page finds its data and where it listens.

    data: folder of the journal. runtime: folder of control socket and live view. models: model files whose
    cards may be needed. target_cells: of the differential.
    """

    data: Path
    runtime: Path
    host: str = "127.0.0.1"
    port: int = 8311
    language: str = "en"
    models: tuple[Path, ...] = ()
    target_cells: int = 100

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the page; then no token is asked for."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
