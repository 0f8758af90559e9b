"""A small phantom slide that the tests of the slide map share, and views of it."""

from dataclasses import replace

import numpy as np

from alledge.illumination import estimate_illumination
from alledge.phantom import PhantomParameters
from alledge.phantom.slide import PhantomSlide
from alledge.slide.registration import View, view_of
from alledge.types import U8, Cell

SMALL = PhantomParameters(
    seed=11, pixel_um=0.4, width_px=320, height_px=240, n_red_cells=110, n_platelets=4, n_smudges=0,
    n_lymphocytes=2, n_neutrophils=1, n_monocytes=1, n_blasts_l1=1, n_blasts_l2=1, n_blasts_l3=0,
)  # fmt: skip
WIDTH_UM, HEIGHT_UM = SMALL.width_um, SMALL.height_um


def picture(slide: PhantomSlide, x_um: float, y_um: float, number: int = 0, **optics: float) -> U8:
    changed = replace(slide.parameters, **optics)  # type: ignore[arg-type]
    return slide.photograph(x_um, y_um, number, changed)


def view(slide: PhantomSlide, x_um: float, y_um: float, number: int = 0, **optics: float) -> View:
    pixels = picture(slide, x_um, y_um, number, **optics)
    return view_of(pixels, slide.parameters.pixel_um, estimate_illumination(pixels))


def cell(x: float, y: float, diameter_um: float = 10.0, *, cut: bool = False) -> Cell:
    return Cell(x, y, (0, 0, 1, 1), diameter_um, 50.0, 0.7, 0.9, 0.1, touches_border=cut)


def lattice(width: int, height: int, pitch: int, shift: int = 0) -> U8:
    """Green levels of equal discs in equal rows: what no smear is, and what nothing can be told from."""
    y, x = np.mgrid[0:height, 0:width]
    away = np.hypot((x + shift) % pitch - pitch / 2, y % pitch - pitch / 2)
    return np.where(away < pitch * 0.3, 150, 230).astype(np.uint8)
