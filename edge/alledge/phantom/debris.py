"""What else lies on a smear: platelets, nuclei smudged by the spreading, specks of stain."""

from dataclasses import dataclass

import cv2
import numpy as np

from alledge.phantom import stains
from alledge.phantom.shapes import Window, outline_points, soft_step, wavy_ellipse
from alledge.phantom.texture import Texture
from alledge.types import F32, F64


@dataclass(frozen=True, slots=True, eq=False)
class DrawnDebris:
    """density: (h, w, 3) optical density, BGR. outline_um: (K, 2) about the centre."""

    density: F32
    outline_um: F64


def draw_platelet(
    rng: np.random.Generator, window: Window, diameter_um: float, texture: Texture
) -> DrawnDebris:
    """A flake of pale cytoplasm with purple granules crowded in its middle."""
    radii = wavy_ellipse(rng, diameter_um, rng.uniform(0, 0.35), 0.13)
    depth = window.depth(radii)
    body = soft_step(depth, 0.5) * np.float32(rng.uniform(0.3, 0.7))
    grains = 1 + np.float32(0.35) * texture.mix(rng, window.shape, (0.5, 1.0, 0.4, 0.0))
    core = soft_step(depth - np.float32(0.2 * diameter_um * rng.uniform(0.3, 0.9)), 0.3 * diameter_um)
    granules = np.clip(core * grains, 0, 2) * np.float32(rng.uniform(0.7, 1.5))
    density = body[..., None] * stains.BASOPHILIC
    density = density + granules[..., None] * stains.GRANULE
    return DrawnDebris(np.asarray(density, np.float32), outline_points(radii, 64))


def draw_smudge(
    rng: np.random.Generator, window: Window, diameter_um: float, texture: Texture, heading_rad: float
) -> DrawnDebris:
    """Bare chromatin drawn out along the spreading: dense at one end, fraying into strands at the other."""
    radii = wavy_ellipse(rng, diameter_um, rng.uniform(0.1, 0.4), 0.3)
    ragged = np.float32(0.06 * diameter_um) * texture.mix(rng, window.shape, (0.1, 0.3, 0.6, 1.0))
    depth = window.depth(radii) + ragged
    along = window.x_um * np.float32(np.cos(heading_rad)) + window.y_um * np.float32(np.sin(heading_rad))
    fade = soft_step(along + np.float32(rng.normal(0.1, 0.15) * diameter_um), 1.3 * diameter_um)
    strands = _strands(rng, window, texture, heading_rad)
    body = soft_step(depth - np.float32(0.06 * diameter_um), 0.22 * diameter_um) * (np.float32(0.3) + fade)
    mesh = np.clip(
        1
        + np.float32(rng.uniform(0.12, 0.32)) * strands
        + np.float32(0.15) * texture.cut(rng, window.shape, 2),
        0.1,
        2,
    )
    density = (np.float32(rng.uniform(0.7, 1.3)) * body * mesh)[..., None] * stains.SMUDGE
    return DrawnDebris(np.asarray(density, np.float32), outline_points(radii, 64))


def _strands(rng: np.random.Generator, window: Window, texture: Texture, heading_rad: float) -> F32:
    """Noise drawn out to threads: (h, w), standard deviation about 1."""
    noise = texture.mix(rng, window.shape, (0.5, 1.0, 0.6, 0.0))
    height, width = window.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.degrees(heading_rad)), 1.0)
    squeeze = np.array([[0.22, 0, 0.39 * width], [0, 1, 0], [0, 0, 1]])
    matrix = (squeeze @ np.vstack([turn, [0, 0, 1]]))[:2]
    drawn = cv2.warpAffine(
        np.ascontiguousarray(noise), matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return np.asarray(drawn, np.float32)


def draw_speck(rng: np.random.Generator, window: Window) -> F32:
    """A dark speck under a micrometre: (h, w, 3) optical density."""
    radii = wavy_ellipse(rng, rng.uniform(0.3, 1.0), rng.uniform(0, 0.5), 0.2)
    amount = np.float32(rng.uniform(0.2, 0.8)) * soft_step(window.depth(radii), 0.3)
    return np.asarray(amount[..., None] * stains.SPECK, np.float32)


def draw_plasma(rng: np.random.Generator, shape: tuple[int, int], pixel_um: float, strength: float) -> F32:
    """Dried plasma takes a little stain, in clouds about 15 um wide: (h, w, 3) optical density."""
    coarse = tuple(max(int(n * pixel_um / 15.0), 2) for n in shape)
    noise = rng.standard_normal(coarse, dtype=np.float32)
    clouds = cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.float32(strength) * clouds[..., None] * stains.PLASMA, np.float32)
