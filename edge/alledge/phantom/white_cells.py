"""White cells: a nucleus in its cytoplasm, each absorbing with its own dye."""

from dataclasses import dataclass

import cv2
import numpy as np

from alledge.phantom import stains
from alledge.phantom.layout import Contact
from alledge.phantom.nuclei import chromatin, nucleus_depth
from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.red_cells import halo, mould
from alledge.phantom.shapes import Window, indented, soft_step, wavy_ellipse, with_diameter
from alledge.phantom.texture import Texture
from alledge.phantom.traits import CellTraits
from alledge.phantom.truth import CellKind
from alledge.types import F32, F64

_BLEB_SHARE = 0.15  # white cells of any kind with a bulge or a tail, drawn out by the spreading
_RIM_UM = 0.25  # cytoplasm that is left even where the nucleus nearly fills the cell


@dataclass(frozen=True, slots=True, eq=False)
class DrawnCell:
    """A cell as drawn in its window.

    density: (h, w, 3) optical density, BGR. outline_um, nucleus_um: (K, 2) about the cell's centre.
    nucleus_ratio: nucleus area over cell area, counted in pixels.
    """

    density: F32
    outline_um: F64
    nucleus_um: F64
    nucleus_ratio: float


def white_cell_outline(rng: np.random.Generator, traits: CellTraits, walls: list[Contact]) -> F64:
    """(256,) radii in um, dented by the neighbours."""
    stretch = min(abs(rng.normal(0, 0.07)), 0.3)
    radii = wavy_ellipse(rng, traits.diameter_um, stretch, rng.uniform(0.02, 0.09))
    if rng.random() < _BLEB_SHARE:
        bleb = indented(radii, rng.uniform(0, 2 * np.pi), -rng.uniform(0.12, 0.4), rng.uniform(0.2, 0.5))
        radii = with_diameter(bleb, traits.diameter_um)
    return mould(radii, walls)


def draw_white_cell(
    rng: np.random.Generator,
    window: Window,
    traits: CellTraits,
    radii_um: F64,
    texture: Texture,
    parameters: PhantomParameters,
) -> DrawnCell:
    """The optical density of one white cell over its window, and the truth about its shape."""
    cell_depth = window.depth(radii_um)
    core = np.minimum(nucleus_depth(rng, window, traits, radii_um), cell_depth - np.float32(_RIM_UM))
    dye = chromatin(rng, window, traits, core, texture, parameters.chromatin_contrast)
    vacuoles = _vacuoles(rng, window, traits, cell_depth, core)
    density = _cytoplasm(rng, window, traits, cell_depth, core, texture)
    # The nucleus takes the place of most, not all, of the cytoplasm: some lies above and below it.
    density *= ((1 - np.float32(0.7) * soft_step(core, 0.5)) * (1 - np.float32(0.9) * vacuoles))[..., None]
    dye *= 1 - np.float32(0.4) * vacuoles  # a vacuole above the nucleus thins it only in part
    density += dye[..., None] * stains.chromatin_dye(parameters.stain_hue)
    density += halo(cell_depth, parameters.halo_strength)[..., None]
    nucleus = _largest_contour(window, core)
    return DrawnCell(density, _largest_contour(window, cell_depth), nucleus, _share(core > 0, cell_depth > 0))


def _cytoplasm(
    rng: np.random.Generator,
    window: Window,
    traits: CellTraits,
    depth_um: F32,
    core_um: F32,
    texture: Texture,
) -> F32:
    """Optical density of the cytoplasm, before the nucleus covers it: (h, w, 3)."""
    clouds = 1 + np.float32(0.16) * texture.mix(rng, window.shape, (0.3, 0.6, 1.0, 0.8))
    amount = np.float32(traits.basophilia) * np.clip(clouds, 0.3, 2) * soft_step(depth_um, 0.5)
    if traits.kind is CellKind.NEUTROPHIL:
        grains = texture.mix(rng, window.shape, (0.6, 1.0, 0.0, 0.2))
        granules = np.clip(grains - np.float32(0.5), 0, 1.6) * soft_step(depth_um - np.float32(0.2), 0.6)
        return _stained(amount, stains.EOSIN) + _stained(np.float32(0.42) * granules, stains.GRANULE)
    # Ribosomes crowd under the membrane; beside the nucleus lies the pale Golgi zone.
    rim = 1 + np.float32(0.45) * np.exp(-(((depth_um - np.float32(0.3)) / np.float32(0.6)) ** 2))
    pale_zone = 1 - np.float32(0.3) * np.exp(-((core_um / np.float32(0.7)) ** 2))
    amount = amount * rim * pale_zone
    if traits.kind is CellKind.MONOCYTE:
        dust = np.clip(texture.cut(rng, window.shape, 0) - np.float32(1.0), 0, 1) * soft_step(depth_um, 0.6)
        return _stained(amount, stains.GREY_BLUE) + _stained(np.float32(0.2) * dust, stains.GRANULE)
    return _stained(amount, stains.BASOPHILIC)


def _stained(amount: F32, dye: F32) -> F32:
    """Optical density (h, w, 3) of an amount (h, w) of a dye."""
    return np.asarray(amount[..., None] * dye, np.float32)


def _vacuoles(
    rng: np.random.Generator, window: Window, traits: CellTraits, depth_um: F32, core_um: F32
) -> F32:
    """Where vacuoles are: small, sharp, round holes, most of them beside the nucleus: (h, w), 0 to 1."""
    clear = np.zeros(window.shape, np.float32)
    beside = np.argwhere((depth_um > 0.45) & (core_um < 0.2))
    above = np.argwhere(core_um > 0)
    for _ in range(traits.n_vacuoles):
        room = beside if len(beside) and rng.random() < 0.7 else above
        row, column = room[int(rng.integers(len(room)))]
        away = window.distance(float(window.x_um[row, column]), float(window.y_um[row, column]))
        clear = np.maximum(clear, soft_step(np.float32(rng.uniform(0.25, 0.6)) - away, 0.3))
    return clear


def _largest_contour(window: Window, depth_um: F32) -> F64:
    """The outline of what lies inside, as (K, 2) um about the cell's centre; the largest piece only."""
    found, _ = cv2.findContours((depth_um > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(found, key=cv2.contourArea)[:, 0, :].astype(np.float64)
    origin = np.array([window.x_um[0, 0], window.y_um[0, 0]], np.float64)
    return np.asarray(origin + largest * window.pixel_um, np.float64)


def _share(part: np.typing.NDArray[np.bool_], whole: np.typing.NDArray[np.bool_]) -> float:
    return float(part.sum() / max(int(whole.sum()), 1))
