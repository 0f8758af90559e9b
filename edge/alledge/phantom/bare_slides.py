"""What a microscope is calibrated on: nothing at all, and a ruled glass.

The same lamp, lens and sensor as for a smear of the same parameters, so that a calibration made on these
pictures holds for those fields, and its truth is known.
"""

import numpy as np

from alledge.phantom.optics import developed, photograph
from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.shapes import soft_step
from alledge.types import F32, F64, U8

_EMPTY, _MICROMETER = 101, 102  # random streams apart from those of a smear
_LINE_UM = 1.6  # width of a ruling
_LINE_DENSITY = 2.0
_LONG_EVERY, _MIDDLE_EVERY = 10, 5  # rulings that reach farther, as on a scale
_SHORT, _MIDDLE, _LONG = 0.30, 0.36, 0.42  # half length of a ruling, of the field's shorter side


def render_empty_field(parameters: PhantomParameters) -> U8:
    """(H, W, 3) uint8 BGR: the lamp through a clean slide."""
    rng = np.random.default_rng([parameters.seed, _EMPTY])
    density = np.zeros((parameters.height_px, parameters.width_px, 3), np.float32)
    return developed(photograph(rng, density, parameters))


def render_micrometer(parameters: PhantomParameters, division_um: float = 10.0, angle_deg: float = 0.0) -> U8:
    """(H, W, 3) uint8 BGR: a stage micrometer whose lines stand upright, turned by an angle.

    division_um: distance of neighbouring lines; every fifth and tenth is longer.
    """
    rng = np.random.default_rng([parameters.seed, _MICROMETER])
    shift_um = float(rng.uniform(0.0, division_um))
    across, along = _axes_um(parameters, np.deg2rad(angle_deg))
    number = np.round((across - shift_um) / division_um)
    depth = _LINE_UM / 2.0 - np.abs(across - shift_um - number * division_um)
    reach = np.where(number % _MIDDLE_EVERY == 0, _MIDDLE, _SHORT)
    reach = np.where(number % _LONG_EVERY == 0, _LONG, reach)
    reach_um = reach * min(parameters.width_um, parameters.height_um)
    width_um = max(parameters.pixel_um, 0.1)
    line = _soft(depth, width_um) * _soft(reach_um - np.abs(along), width_um)
    density = np.repeat((_LINE_DENSITY * line)[..., np.newaxis], 3, axis=2).astype(np.float32)
    return developed(photograph(rng, density, parameters))


def _axes_um(parameters: PhantomParameters, turn_rad: float) -> tuple[F64, F64]:
    """Distance of each pixel from the centre across and along the lines, um."""
    y = (np.arange(parameters.height_px) - (parameters.height_px - 1) / 2)[:, None] * parameters.pixel_um
    x = (np.arange(parameters.width_px) - (parameters.width_px - 1) / 2)[None, :] * parameters.pixel_um
    return x * np.cos(turn_rad) + y * np.sin(turn_rad), -x * np.sin(turn_rad) + y * np.cos(turn_rad)


def _soft(depth_um: F64, width_um: float) -> F32:
    return soft_step(np.asarray(depth_um, np.float32), width_um)
