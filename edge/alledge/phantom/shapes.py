"""Outlines of cells as a radius for every direction, and the small windows in which they are drawn.

A cell on a smear is close to a disc: stretched a little, wavy a little, dented by its neighbours. A
radius per direction says all of that in one array, and "how deep inside is this pixel" is then one
subtraction. All lengths are micrometres; x runs to the right and y down, as in the frame.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from alledge.types import F32, F64

N_DIRECTIONS: Final = 256
DIRECTIONS_RAD: Final = np.arange(N_DIRECTIONS) * (2 * np.pi / N_DIRECTIONS)
# Pixels look their radius up in a finer table: steps of 0.2 degrees, 0.02 um on the rim of a cell.
_N_FINE: Final = 2048
_FINE_RAD: Final = np.arange(_N_FINE) * (2 * np.pi / _N_FINE)


def wavy_ellipse(
    rng: np.random.Generator, diameter_um: float, elongation: float, waviness: float, n_waves: int = 6
) -> F64:
    """A closed outline with the area of a disc of `diameter_um`: (256,) radii in um.

    elongation: 0 for a circle, 1 - minor / major axis otherwise. waviness: strength of random waves
    along the outline, the k-th falling as 1 / k (so large dents are commoner than fine ones).
    """
    turned = DIRECTIONS_RAD - rng.uniform(0, np.pi)
    minor = 1.0 - elongation
    radii = minor / np.sqrt((minor * np.cos(turned)) ** 2 + np.sin(turned) ** 2)
    for k in range(2, 2 + n_waves):
        radii *= 1.0 + rng.normal(0, waviness / k) * np.cos(k * DIRECTIONS_RAD + rng.uniform(0, 2 * np.pi))
    return with_diameter(np.maximum(radii, 0.2), diameter_um)


def with_diameter(radii_um: F64, diameter_um: float) -> F64:
    """The same outline, scaled to the area of a disc of `diameter_um`."""
    return np.asarray(radii_um * (diameter_um / diameter_of(radii_um)), np.float64)


def diameter_of(radii_um: F64) -> float:
    """Diameter of the disc with the outline's area, in um."""
    return float(2 * np.sqrt(np.mean(radii_um**2)))


def indented(radii_um: F64, direction_rad: float, depth: float, width_rad: float) -> F64:
    """The outline with a notch, `depth` of the radius deep: kidneys and clefts."""
    away = np.angle(np.exp(1j * (DIRECTIONS_RAD - direction_rad)))
    return np.asarray(radii_um * (1.0 - depth * np.exp(-((away / width_rad) ** 2))), np.float64)


def flattened(radii_um: F64, direction_rad: float, distance_um: float) -> F64:
    """The outline cut straight where a neighbour begins, `distance_um` away, with a rounded corner."""
    facing = np.cos(DIRECTIONS_RAD - direction_rad)
    wall = np.where(facing > 0.05, distance_um / np.maximum(facing, 0.05), np.inf)
    # A soft minimum (p-norm of the inverses): surfaces of cells do not have corners.
    return np.asarray((radii_um**-8.0 + wall**-8.0) ** (-1 / 8), np.float64)


def outline_points(radii_um: F64, n_points: int) -> F64:
    """(n_points, 2) x, y in um about the centre; n_points divides 256."""
    step = N_DIRECTIONS // n_points
    angles, radii = DIRECTIONS_RAD[::step], radii_um[::step]
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A small piece of the canvas about one cell.

    rows, columns: where it lies on the canvas. x_um, y_um: (h, w) float32, pixels relative to the cell.
    """

    rows: slice
    columns: slice
    x_um: F32
    y_um: F32
    pixel_um: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x_um.shape[0], self.x_um.shape[1]

    def distance(self, x_um: float = 0.0, y_um: float = 0.0) -> F32:
        """Distance of every pixel from a point given relative to the cell, um."""
        return np.asarray(np.hypot(self.x_um - np.float32(x_um), self.y_um - np.float32(y_um)), np.float32)

    def radius_along(self, radii_um: F64, x_um: float = 0.0, y_um: float = 0.0) -> F32:
        """Radius of an outline about a point, in the direction of every pixel, um."""
        table = np.interp(_FINE_RAD, DIRECTIONS_RAD, radii_um, period=2 * np.pi).astype(np.float32)
        turn = np.arctan2(self.y_um - np.float32(y_um), self.x_um - np.float32(x_um))
        nearest = np.rint(turn * np.float32(_N_FINE / (2 * np.pi))).astype(np.int32)
        return np.asarray(table[nearest & (_N_FINE - 1)], np.float32)

    def depth(self, radii_um: F64, x_um: float = 0.0, y_um: float = 0.0) -> F32:
        """How deep inside an outline every pixel lies, um; negative outside."""
        return self.radius_along(radii_um, x_um, y_um) - self.distance(x_um, y_um)


def open_window(x_um: float, y_um: float, reach_um: float, pixel_um: float, margin_um: float) -> Window:
    """The window that reaches `reach_um` about a cell, on a canvas that begins `margin_um` off the frame."""
    left, top = (int(np.floor((c - reach_um + margin_um) / pixel_um)) for c in (x_um, y_um))
    n = int(np.ceil(2 * reach_um / pixel_um)) + 2
    grid = np.arange(n, dtype=np.float32) * np.float32(pixel_um)
    x = grid + np.float32(left * pixel_um - margin_um - x_um)
    y = grid + np.float32(top * pixel_um - margin_um - y_um)
    x_grid, y_grid = np.meshgrid(x, y)
    return Window(slice(top, top + n), slice(left, left + n), x_grid, y_grid, pixel_um)


def soft_step(depth_um: F32, width_um: float) -> F32:
    """0 outside, 1 inside, a smooth ramp of `width_um` centred on the outline."""
    t = np.clip(depth_um / np.float32(width_um) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
