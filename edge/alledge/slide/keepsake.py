"""A view kept for a slide's lifetime: small enough to keep hundreds, quick enough to look through them all.

The detail is kept in 8 bits. Beside it lies a sketch: the phases of the view at half its resolution, also
in 8 bits. After a jump the sketches of all kept views are correlated with the new one, which takes a
fraction of a millisecond each, and only the most promising are registered in full.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from alledge.slide.registration import C64, View, padded_size
from alledge.types import F32, I8

_FULL: Final = 127.0  # of int8
_CLIP: Final = 4.0  # standard deviations of detail that 8 bits span
_COARSER: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Whitened half spectrum of a view at half resolution.

    phases: (2, r, c) int8, real and imaginary parts. rows, columns: size of the padded picture.
    """

    phases: I8
    rows: int
    columns: int

    def likeness(self, other: "Sketch") -> float:
        """How far the best common shift stands out, in standard deviations; 0 for views of other sizes."""
        if (self.rows, self.columns) != (other.rows, other.columns):
            return 0.0
        product = _unpacked(self.phases) * np.conj(_unpacked(other.phases))
        surface = np.fft.irfft2(product, (self.rows, self.columns)).astype(np.float32)
        spread = float(surface.std())
        return float(surface.max()) / spread if spread > 0.0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Keepsake:
    """A view in 8 bits, with its sketch.

    detail: (h, w) int8. level: optical density that one step is worth.
    """

    detail: I8
    level: float
    unit_um: float
    grain_px: float
    sketch: Sketch

    def view(self) -> View:
        """The view again."""
        return View(self.detail.astype(np.float32) * np.float32(self.level), self.unit_um, self.grain_px)


def keepsake_of(view: View) -> Keepsake:
    """What is kept of a view."""
    level = _CLIP * max(float(view.detail.std()), 1e-6) / _FULL
    detail = np.clip(np.rint(view.detail / level), -_FULL, _FULL).astype(np.int8)
    return Keepsake(detail, level, view.unit_um, view.grain_px, sketch_of(view))


def sketch_of(view: View) -> Sketch:
    """The sketch of a view."""
    height, width = (max(1, side // _COARSER) for side in view.detail.shape)
    small: F32 = np.asarray(
        cv2.resize(view.detail, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32
    )
    rows, columns = padded_size(small.shape)
    spectrum = np.fft.rfft2(small, (rows, columns))
    size = np.abs(spectrum)
    phases = spectrum / (size + 1e-3 * float(size.max()) + 1e-9)
    packed = np.stack([phases.real, phases.imag]) * _FULL
    return Sketch(np.rint(packed).astype(np.int8), rows, columns)


def _unpacked(phases: I8) -> C64:
    """(r, c) complex64; the scale does not matter."""
    parts = phases.astype(np.float32)
    return np.asarray(parts[0] + 1j * parts[1], dtype=np.complex64)
