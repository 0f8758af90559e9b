"""Red cells: discs of haemoglobin, paler in the middle, moulded about the white cells beside them.

A dried red cell is thinner in its centre (the biconcave disc of Evans and Fung, Microvasc Res 1972,
flattened by drying); how much thinner, and how sharply, varies from smear to smear and cell to cell.
"""

from dataclasses import dataclass

import numpy as np

from alledge.phantom.layout import Contact
from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.shapes import Window, diameter_of, flattened, soft_step, wavy_ellipse
from alledge.types import F32, F64


def red_cell_outline(rng: np.random.Generator, diameter_um: float, elongation: float) -> F64:
    """(256,) radii in um: round or oval, now and then egg-shaped or bent."""
    flat = min(abs(rng.normal(0, 1.2 * elongation)), 0.6)
    return wavy_ellipse(rng, diameter_um, flat, waviness=0.05 if rng.random() < 0.9 else 0.16, n_waves=4)


def mould(radii_um: F64, walls: list[Contact]) -> F64:
    """The outline pressed against its neighbours. The cell keeps its area: it bulges elsewhere."""
    before = diameter_of(radii_um)
    for wall in walls:
        radii_um = flattened(radii_um, wall.direction_rad, wall.distance_um)
    kept = min(before / diameter_of(radii_um), 1.06)
    return radii_um * kept if walls else radii_um


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRedCell:
    """thickness: (h, w) of haemoglobin, 1 in an average cell. edge: (h, w) optical density of the halo."""

    thickness: F32
    edge: F32


def draw_red_cell(
    rng: np.random.Generator, window: Window, radii_um: F64, parameters: PhantomParameters
) -> DrawnRedCell:
    """One red cell over its window."""
    reach = window.radius_along(radii_um)
    pale_x, pale_y = rng.normal(0, 0.25, 2)
    distance = window.distance()
    depth = reach - distance
    # Pallor: a flat-topped bump about a point near the centre.
    pallor = float(np.clip(rng.normal(parameters.red_cell_pallor, 0.15), 0, 0.95))
    pallor = pallor if parameters.red_cell_pallor > 0 else 0.0
    size = rng.uniform(0.4, 0.62)
    inner = window.distance(pale_x, pale_y) / np.maximum(reach * np.float32(size), np.float32(0.1))
    hollow = 1 - np.float32(pallor) * np.exp(-(inner ** np.float32(rng.uniform(2.5, 6))))
    ring = 1 + np.float32(0.12) * np.exp(-(((depth - 0.7) / 0.6) ** 2))
    amount = rng.normal(1.0, 0.08)
    thickness = np.float32(amount) * soft_step(depth, 0.4) * hollow * ring
    return DrawnRedCell(np.asarray(thickness, np.float32), halo(depth, parameters.halo_strength))


def stacked(thickness: F32, overlap_darkening: float) -> F32:
    """Thickness where cells overlap: what goes beyond one cell counts for `overlap_darkening` only."""
    extra = np.maximum(thickness - np.float32(1.15), 0)
    return np.asarray(thickness - np.float32(1 - overlap_darkening) * extra, np.float32)


def halo(depth_um: F32, strength: float) -> F32:
    """Optical density of the line that refraction draws at an edge: dark inside, bright outside."""
    inside = np.exp(-(((depth_um - np.float32(0.15)) / np.float32(0.3)) ** 2))
    outside = np.exp(-(((depth_um + np.float32(0.45)) / np.float32(0.35)) ** 2))
    return np.asarray(np.float32(strength) * (inside - outside), np.float32)
