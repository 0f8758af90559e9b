"""What the results of a scan depend on, beside the images: two scans that agree in it give the same bytes.

It stands at the head of every working file. Whoever goes on with a scan or joins shards compares it,
so that no results file ever holds the words of two models or of two versions of OpenCV.
"""

import platform
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from alledge import __version__
from alledge.pipeline import load_field_model
from alledge.runtimes import installed_runtimes, runtime_version


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What every worker is told.

    model_sha256: of the file `model` when the scan began; a worker that finds another one stops.
    pixel_um: micrometres a pixel of every image; None estimates it image by image.
    pictures: folder for annotated pictures; None writes none.
    """

    model: Path | None
    model_sha256: str | None
    pixel_um: float | None
    pictures: Path | None

    def fingerprint(self) -> dict[str, str]:
        """Name to value of all that the results depend on; paths of the model do not count, its bytes do."""
        return {
            "model": self.model_sha256 or "none",
            "--pixel-um": "measured" if self.pixel_um is None else repr(self.pixel_um),
            "--pictures": "none" if self.pictures is None else str(self.pictures),
            **software_here(with_runtime=self.model is not None),
        }


def software_here(*, with_runtime: bool) -> dict[str, str]:
    """Name to value of all in this machine that the last digits of a result depend on."""
    names = installed_runtimes() if with_runtime else ()
    return {
        "version of allscope": __version__,
        "version of OpenCV": cv2.__version__,
        "version of numpy": np.__version__,
        "runtime": f"{names[0]} {runtime_version(names[0])}" if names else "none",
        "processor": platform.machine(),
    }


def settings_for(model: Path | None, pixel_um: float | None, pictures: Path | None) -> ScanSettings:
    """Reads and checks the model once, before any worker does. Raises what `load_field_model` raises."""
    sha256 = load_field_model(model).classifier.identity.sha256 if model else None
    return ScanSettings(model, sha256, pixel_um, pictures)
