"""Nuclei: round, kidney-shaped, clefted or lobed, filled with chromatin that is fine or in blocks."""

from itertools import pairwise

import numpy as np

from alledge.phantom.shapes import Window, indented, soft_step, wavy_ellipse, with_diameter
from alledge.phantom.texture import Texture
from alledge.phantom.traits import CellTraits
from alledge.phantom.truth import CellKind
from alledge.types import F32, F64

_LOBE_COUNTS = (2, 3, 4, 5)
_LOBE_SHARES = (0.15, 0.4, 0.33, 0.12)  # of neutrophils, after Cooke and Arneth's counts in health


def nucleus_depth(rng: np.random.Generator, window: Window, traits: CellTraits, cell_radii_um: F64) -> F32:
    """How deep inside the nucleus every pixel lies, um; negative outside. The nucleus fits into the cell."""
    diameter = traits.diameter_um * np.sqrt(traits.nucleus_ratio)
    if traits.kind is CellKind.NEUTROPHIL:
        return _lobed(rng, window, diameter)
    radii = wavy_ellipse(rng, diameter, abs(rng.normal(0, 0.08)), traits.waviness)
    if traits.kind is CellKind.MONOCYTE:
        radii = wavy_ellipse(rng, diameter, rng.uniform(0.1, 0.3), traits.waviness)
    if traits.indent > 0.02:
        width = rng.uniform(0.35, 0.7) if traits.kind is CellKind.MONOCYTE else rng.uniform(0.18, 0.45)
        notch = rng.uniform(0, 2 * np.pi)
        radii = with_diameter(indented(radii, notch, traits.indent, width), diameter)
    # The nucleus takes on the outline of the cell that holds it, the more the fuller the cell is.
    snug = traits.nucleus_ratio**2
    radii = with_diameter(radii ** (1 - snug) * cell_radii_um**snug, diameter)
    slack = max(traits.diameter_um / 2 - diameter / 2, 0.0)
    turn, push = rng.uniform(0, 2 * np.pi), slack * np.sqrt(rng.uniform(0.1, 1.1))
    return window.depth(radii, push * np.cos(turn), push * np.sin(turn))


def _lobed(rng: np.random.Generator, window: Window, diameter_um: float) -> F32:
    """Lobes on a bent string: the segmented nucleus of a neutrophil."""
    n_lobes = int(rng.choice(_LOBE_COUNTS, p=_LOBE_SHARES))
    shares = rng.uniform(0.7, 1.3, n_lobes)
    sizes = diameter_um * np.sqrt(shares / shares.sum()) * 0.94
    bend = rng.uniform(1.3, 2.0) * np.pi / max(n_lobes, 3)  # the string curls up inside the cell
    ring = diameter_um * rng.uniform(0.36, 0.46) if n_lobes > 2 else diameter_um * 0.4
    start = rng.uniform(0, 2 * np.pi)
    turns = start + np.arange(n_lobes) * (bend if n_lobes > 2 else rng.uniform(2.0, 2.8))
    distance = ring * rng.uniform(0.85, 1.15, n_lobes)
    centres = np.stack([distance * np.cos(turns), distance * np.sin(turns)], axis=1)
    depth = np.full(window.shape, -50.0, np.float32)
    for (x, y), size in zip(centres, sizes, strict=True):
        lobe = wavy_ellipse(rng, size, rng.uniform(0.05, 0.35), 0.22)
        depth = np.maximum(depth, window.depth(lobe, x, y))
    for (x0, y0), (x1, y1) in pairwise(centres):
        depth = np.maximum(depth, _thread(window, (x0, y0), (x1, y1), rng.uniform(0.3, 0.75)))
    return depth


def _thread(window: Window, a: tuple[float, float], b: tuple[float, float], radius_um: float) -> F32:
    """Depth inside a capsule from a to b."""
    along = np.array([b[0] - a[0], b[1] - a[1]], np.float32)
    x, y = window.x_um - np.float32(a[0]), window.y_um - np.float32(a[1])
    t = np.clip((x * along[0] + y * along[1]) / max(float(along @ along), 1e-6), 0, 1)
    return np.asarray(np.float32(radius_um) - np.hypot(x - t * along[0], y - t * along[1]), np.float32)


def chromatin(
    rng: np.random.Generator,
    window: Window,
    traits: CellTraits,
    depth_um: F32,
    texture: Texture,
    contrast: float,
) -> F32:
    """Units of chromatin dye over the window: texture, darker rim, paler nucleoli."""
    blocks = np.tanh(1.6 * texture.mix(rng, window.shape, (0.15, 0.35, 1.0, 0.35)))
    fine = texture.mix(rng, window.shape, (0.6, 1.0, 0.3, 0.2))
    pale_gaps = np.clip(texture.mix(rng, window.shape, (0.0, 0.6, 1.0, 0.3)) - np.float32(0.7), 0, 1.5)
    grain = np.float32(0.28 * traits.clumping) * blocks + np.float32(0.17) * fine
    grain += np.float32(0.03) * texture.cut(rng, window.shape, 3) - np.float32(0.20) * pale_gaps
    rim = np.float32(0.10) * np.exp(-(((depth_um - np.float32(0.35)) / np.float32(0.35)) ** 2))
    pale = _nucleoli(rng, window, traits, depth_um)
    amount = np.float32(traits.chromatin) * (1 + np.float32(contrast) * (grain + rim))
    return np.asarray(np.maximum(amount, 0.15) * (1 - pale) * soft_step(depth_um, 0.4), np.float32)


def _nucleoli(rng: np.random.Generator, window: Window, traits: CellTraits, depth_um: F32) -> F32:
    """Share of chromatin that nucleoli displace, 0 to about 0.5."""
    pale = np.zeros(window.shape, np.float32)
    inside = np.argwhere(depth_um > 0.9)
    for _ in range(traits.n_nucleoli if len(inside) else 0):
        row, column = inside[int(rng.integers(len(inside)))]
        spot = wavy_ellipse(rng, rng.uniform(1.3, 2.6), rng.uniform(0, 0.3), 0.1)
        depth = window.depth(spot, float(window.x_um[row, column]), float(window.y_um[row, column]))
        # Chromatin condenses about a nucleolus: a faint dark ring.
        ring = np.exp(-(((depth + np.float32(0.25)) / np.float32(0.3)) ** 2))
        clarity = np.float32(traits.nucleolus_clarity)
        pale = np.maximum(pale, clarity * np.float32(0.45) * soft_step(depth, 0.9))
        pale -= clarity * np.float32(0.10) * ring * (pale < 0.1)
    return pale
