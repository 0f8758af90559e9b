"""One microscope, measured: light, pixel size, focus, and the camera settings that all of it holds for.

`calibration` is what is kept, `store` keeps it, `empty_field` and `micrometer` measure, `walk` goes through
the steps with a person, and `lamp_check` compares a frame's own light with the empty field. `alledge
calibrate` runs it; `alledge run` reads it through `load_calibration`.
"""

from alledge.calibration.calibration import Calibration, CameraControls, Scale, ScaleSource
from alledge.calibration.store import CALIBRATION_FILE, load_calibration, save_calibration

__all__ = [
    "CALIBRATION_FILE",
    "Calibration",
    "CameraControls",
    "Scale",
    "ScaleSource",
    "load_calibration",
    "save_calibration",
]
