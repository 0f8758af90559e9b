"""Every knob of the phantom, named with its unit, bounded, and told in one sentence.

The table in docs/phantom.md and the check of a `phantom:` camera both read the knobs from here, so
neither can drift from what the renderer does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, cast

KNOB: Final = "knob"


@dataclass(frozen=True, slots=True)
class Knob:
    """What may be asked of one parameter: its range (both ends allowed), its unit, its meaning.

    whole: only whole numbers make sense.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str
    meaning: str
    whole: bool


# `Any` as in dataclasses.field: the default decides the type of the attribute.
def _knob(default: float, low: float, high: float, unit: str, meaning: str) -> Any:
    return field(default=default, metadata={KNOB: (default, low, high, unit, meaning)})


@dataclass(frozen=True, slots=True)
class PhantomParameters:
    """All that a phantom field depends on. Values out of range raise ValueError.

    Where no other source is given, defaults were set by eye and by measuring fields of ALL-IDB1
    (R. Donida Labati, V. Piuri, F. Scotti, ICIP 2011).
    """

    seed: int = _knob(0, 0, 2**32 - 1, "", "same seed and parameters, same pixels")
    width_px: int = _knob(1280, 64, 4096, "px", "width of the frame")
    height_px: int = _knob(960, 64, 4096, "px", "height of the frame")
    pixel_um: float = _knob(0.14, 0.06, 0.4, "um", "side of a pixel in the plane of the smear")

    n_red_cells: int = _knob(230, 0, 3000, "cells", "red cells")
    n_lymphocytes: int = _knob(5, 0, 200, "cells", "lymphocytes")
    n_neutrophils: int = _knob(4, 0, 200, "cells", "neutrophils")
    n_monocytes: int = _knob(2, 0, 200, "cells", "monocytes")
    n_blasts_l1: int = _knob(6, 0, 200, "cells", "blasts of FAB type L1")
    n_blasts_l2: int = _knob(4, 0, 200, "cells", "blasts of FAB type L2")
    n_blasts_l3: int = _knob(2, 0, 200, "cells", "blasts of FAB type L3")
    n_platelets: int = _knob(14, 0, 1000, "platelets", "platelets")
    n_smudges: int = _knob(2, 0, 50, "smudges", "nuclei burst by the making of the smear")
    n_specks: int = _knob(6, 0, 1000, "specks", "specks of precipitated stain and dust")

    reactive_fraction: float = _knob(
        0.25, 0, 1, "of lymphocytes", "large, reactive lymphocytes with more cytoplasm"
    )
    blast_clump_fraction: float = _knob(0.4, 0, 1, "of blasts", "blasts that touch another white cell")
    normal_clump_fraction: float = _knob(
        0.15, 0, 1, "of normal white cells", "normal white cells that touch another white cell"
    )
    platelet_clump_fraction: float = _knob(0.3, 0, 1, "of platelets", "platelets that lie in clumps")
    large_platelet_fraction: float = _knob(0.12, 0, 1, "of platelets", "platelets of 4 to 6 um")
    trait_spread: float = _knob(
        1.0, 0, 3, "x", "spread within a kind of cell; more makes kinds harder to tell apart"
    )

    red_cell_diameter_um: float = _knob(7.2, 4, 10, "um", "mean diameter of a red cell")
    red_cell_diameter_sd_um: float = _knob(0.5, 0, 2, "um", "anisocytosis: spread of that diameter")
    red_cell_elongation: float = _knob(0.1, 0, 0.6, "", "typical flattening of a red cell, 0 for a disc")
    red_cell_pallor: float = _knob(
        0.5, 0, 1, "of the stain", "typical loss of colour in the centre of a red cell"
    )
    overlap_darkening: float = _knob(
        0.4, 0, 1, "of the stain", "what a second red cell adds; stacked cells dry thinner than their sum"
    )
    rouleaux_fraction: float = _knob(0.2, 0, 1, "of red cells", "red cells that lie stacked like coins")

    stain_strength: float = _knob(1.0, 0, 3, "x", "optical density of everything stained")
    stain_hue: float = _knob(
        0.0, -1, 1, "", "nuclei from red-purple (-1) to blue-purple (1), as the buffer's pH turns them"
    )
    haemoglobin_strength: float = _knob(1.0, 0, 3, "x", "optical density of the red cells alone")
    chromatin_contrast: float = _knob(1.0, 0, 3, "x", "contrast of the texture inside nuclei")

    resolution_um: float = _knob(0.3, 0, 3, "um", "width at half height of the image of a point, in focus")
    defocus_um: float = _knob(0.0, 0, 20, "um", "distance of the smear from the plane of focus")
    numerical_aperture: float = _knob(
        0.6, 0.05, 1.45, "", "effective aperture: how fast defocus blurs (condenser half closed)"
    )
    halo_strength: float = _knob(0.03, 0, 0.5, "OD", "bright line that refraction draws about each cell")
    lateral_colour_um: float = _knob(
        0.12, 0, 2, "um", "how far red and blue images part at the corner of the frame"
    )

    lamp_red_level: float = _knob(174, 1, 255, "grey levels", "empty smear in red, centre of the frame")
    lamp_green_level: float = _knob(170, 1, 255, "grey levels", "empty smear in green")
    lamp_blue_level: float = _knob(157, 1, 255, "grey levels", "empty smear in blue")
    exposure: float = _knob(1.0, 0, 3, "x", "brightness of the whole picture; small is dark, large saturates")
    vignetting: float = _knob(0.12, 0, 0.9, "of the light", "light lost in the corners")
    lamp_tilt: float = _knob(0.04, 0, 0.9, "of the light", "light lost from one side to the other")
    lamp_tilt_deg: float = _knob(30, 0, 360, "degrees", "direction in which the light falls off")
    plasma_strength: float = _knob(0.015, 0, 0.5, "OD", "cloudy stain in the dried plasma")

    shot_noise: float = _knob(
        2.6, 0, 40, "grey levels", "noise of a bright pixel (255), falling with the root of the light"
    )
    read_noise: float = _knob(0.8, 0, 40, "grey levels", "noise of a black pixel")
    jpeg_quality: int = _knob(92, 5, 100, "", "JPEG quality, as OpenCV counts it")

    def __post_init__(self) -> None:
        for knob in KNOBS.values():
            value = getattr(self, knob.name)
            if not (isinstance(value, int | float) and math.isfinite(value)):
                raise ValueError(f"{knob.name} must be a number, got {value!r}")
            if not knob.low <= value <= knob.high:
                raise ValueError(f"{knob.name} must lie in {knob.low:g} to {knob.high:g}, got {value:g}")
            if knob.whole and value != int(value):
                raise ValueError(f"{knob.name} must be a whole number, got {value:g}")

    @property
    def width_um(self) -> float:
        """Width of the field in micrometres."""
        return self.width_px * self.pixel_um

    @property
    def height_um(self) -> float:
        """Height of the field in micrometres."""
        return self.height_px * self.pixel_um


def _read_knobs() -> Mapping[str, Knob]:
    knobs = {}
    for spot in fields(PhantomParameters):
        told = cast("tuple[float, float, float, str, str]", spot.metadata[KNOB])
        knobs[spot.name] = Knob(spot.name, *told, whole=spot.type is int)
    return knobs


KNOBS: Final[Mapping[str, Knob]] = _read_knobs()
