"""Parameters for the fields of a study: every slide its own lamp, stain and focus, and both classes.

A model that learns the lamp instead of the cell looks good until it meets another microscope. Here
the look of a slide and the mix of its cells come from separate random streams, so nothing but the
cells themselves can tell blasts from normal cells.
"""

import numpy as np

from alledge.phantom.parameters import PhantomParameters

_LOOK, _MIX, _FIELD = 0, 1, 2  # the separate streams
_RED_CELLS_PER_UM2 = 0.0098  # a thin, even area of a smear


def parameters_for_slide(study_seed: int, slide_index: int, field_index: int) -> PhantomParameters:
    """What field `field_index` of slide `slide_index` is made from.

    Fields of a slide share lamp, stain, pixel size and red cells, and differ a little in focus and
    much in where and what the cells are. White cells lie denser than in most real fields.
    """
    look = np.random.default_rng([study_seed, slide_index, _LOOK])
    fresh = np.random.default_rng([study_seed, slide_index, field_index, _FIELD])
    pixel_um = float(look.uniform(0.12, 0.18))
    base = PhantomParameters(pixel_um=pixel_um)
    red_cells_per_um2 = _RED_CELLS_PER_UM2 * look.uniform(0.7, 1.2)
    brightness = look.uniform(0.85, 1.25)
    return PhantomParameters(
        seed=int(fresh.integers(2**32)),
        pixel_um=pixel_um,
        n_red_cells=round(red_cells_per_um2 * base.width_um * base.height_um),
        n_platelets=int(fresh.poisson(look.uniform(4, 16))),
        n_smudges=int(fresh.poisson(look.uniform(0.3, 2.0))),
        n_specks=int(fresh.poisson(look.uniform(0, 8))),
        **_white_cells(study_seed, slide_index, fresh),
        red_cell_diameter_sd_um=float(look.uniform(0.35, 0.7)),
        red_cell_pallor=float(look.uniform(0.1, 0.65)),
        rouleaux_fraction=float(look.uniform(0, 0.35)),
        stain_strength=float(look.uniform(0.82, 1.25)),
        stain_hue=float(look.uniform(-0.6, 1.0)),
        haemoglobin_strength=float(look.uniform(0.6, 1.3)),
        defocus_um=float(abs(look.normal(0, 0.25)) + abs(fresh.normal(0, 0.2))),
        lamp_red_level=float(base.lamp_red_level * brightness * look.uniform(0.92, 1.08)),
        lamp_green_level=float(base.lamp_green_level * brightness * look.uniform(0.97, 1.03)),
        lamp_blue_level=float(base.lamp_blue_level * brightness * look.uniform(0.85, 1.12)),
        vignetting=float(look.uniform(0.05, 0.25)),
        lamp_tilt=float(look.uniform(0, 0.1)),
        lamp_tilt_deg=float(look.uniform(0, 360)),
        shot_noise=float(look.uniform(1.5, 4.0)),
        jpeg_quality=int(look.integers(85, 97)),
    )


def _white_cells(study_seed: int, slide_index: int, fresh: np.random.Generator) -> dict[str, int]:
    """Counts of nucleated cells: 20 to 28 a field, blasts 35 to 65 %, at least two of each class."""
    mix = np.random.default_rng([study_seed, slide_index, _MIX])
    blast_share = mix.uniform(0.35, 0.65)
    blast_types = mix.dirichlet((3.0, 2.0, 0.8))  # L3 is the rarest
    normal_types = mix.dirichlet((5.0, 3.5, 2.0))
    total = int(fresh.integers(20, 29))
    n_blasts = int(np.clip(fresh.binomial(total, blast_share), 2, total - 2))
    l1, l2, l3 = (int(n) for n in fresh.multinomial(n_blasts, blast_types))
    lymphocytes, neutrophils, monocytes = (int(n) for n in fresh.multinomial(total - n_blasts, normal_types))
    return {
        "n_lymphocytes": lymphocytes,
        "n_neutrophils": neutrophils,
        "n_monocytes": monocytes,
        "n_blasts_l1": l1,
        "n_blasts_l2": l2,
        "n_blasts_l3": l3,
    }
