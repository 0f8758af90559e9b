"""A device that serves smearnet v1, and a stick that offers v2; tests change one thing and install.

Where python-tuf is not installed (the oldest supported environment), these tests are not collected.
"""

import importlib.util
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.edge.models.forge import Device, Forge

collect_ignore_glob = [] if importlib.util.find_spec("tuf") else ["test_*.py"]


@dataclass
class Scene:
    """forge: the publisher, in the state that the stick shows. device: serves v1, proven."""

    forge: "Forge"
    stick: Path
    device: "Device"
    notes: dict[str, object] = field(default_factory=dict)

    def write(self) -> None:
        self.forge.write(self.stick)


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a device that installed v1 and runs with it."""
    from tests.edge.models.forge import Device, Forge, model_bytes

    base = tmp_path_factory.mktemp("served")
    forge = Forge()
    forge.add("smearnet", 1, model_bytes(1))
    forge.bump()
    forge.write(base / "stick")
    device = Device(base / "data")
    device.trust(forge)
    device.install(base / "stick")
    device.confirm()
    return base / "data"


@pytest.fixture
def scene(_served: Path, tmp_path: Path) -> Scene:
    from tests.edge.models.forge import Device, Forge, model_bytes

    shutil.copytree(_served, tmp_path / "data", symlinks=True)
    forge = Forge()
    forge.add("smearnet", 1, model_bytes(1))
    forge.bump()
    forge.add("smearnet", 2, model_bytes(2))
    forge.bump()
    made = Scene(forge, tmp_path / "stick", Device(tmp_path / "data"))
    made.write()
    return made
