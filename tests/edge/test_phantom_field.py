"""A phantom field: the same for the same seed, true to its truth, and sick where it was made sick."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alledge.phantom import CellKind, PhantomField, PhantomParameters, TrueCell, render_field
from alledge.phantom.red_cells import stacked
from alledge.phantom.shapes import diameter_of, flattened, wavy_ellipse
from alledge.phantom.truth import NUCLEATED_KINDS

SMALL = {"width_px": 640, "height_px": 480, "n_red_cells": 40}
NO_CELLS = {
    "n_red_cells": 0, "n_lymphocytes": 0, "n_neutrophils": 0, "n_monocytes": 0, "n_blasts_l1": 0,
    "n_blasts_l2": 0, "n_blasts_l3": 0, "n_platelets": 0, "n_smudges": 0, "n_specks": 0,
}  # fmt: skip


def parameters(**changes: float) -> PhantomParameters:
    return PhantomParameters(**{**SMALL, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def field() -> PhantomField:
    return render_field(parameters(seed=11, n_smudges=0, n_platelets=4))


@pytest.fixture(scope="module")
def zoo() -> dict[CellKind, list[TrueCell]]:
    """Many cells of each kind, apart from each other, by kind."""
    kinds = ("lymphocytes", "neutrophils", "monocytes", "blasts_l1", "blasts_l2", "blasts_l3")
    counts = {f"n_{kind}": 16 for kind in kinds}
    alone = {"blast_clump_fraction": 0, "normal_clump_fraction": 0, "reactive_fraction": 0}
    shown = render_field(PhantomParameters(seed=2, pixel_um=0.2, **{**NO_CELLS, **counts, **alone}))
    return {kind: [cell for cell in shown.cells if cell.kind is kind] for kind in NUCLEATED_KINDS}


def filled(field: PhantomField, outline: np.ndarray) -> np.ndarray:
    mask = np.zeros(field.pixels.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return mask > 0


def solidity(outline: np.ndarray) -> float:
    return cv2.contourArea(outline) / cv2.contourArea(cv2.convexHull(outline))


def median(cells: list[TrueCell], name: str) -> float:
    return float(np.median([getattr(cell, name) for cell in cells]))


def test_the_same_parameters_give_the_same_field() -> None:
    one, other = (render_field(parameters(seed=3)) for _ in range(2))
    assert one.jpeg == other.jpeg
    assert all(np.array_equal(a.outline, b.outline) for a, b in zip(one.cells, other.cells, strict=True))


def test_another_seed_gives_another_field() -> None:
    one, other = (render_field(parameters(seed=seed)) for seed in (3, 4))
    assert {(c.x, c.y) for c in one.cells}.isdisjoint({(c.x, c.y) for c in other.cells})


def test_lamp_and_lens_leave_the_cells_where_they_are() -> None:
    one = render_field(parameters(seed=3))
    other = render_field(parameters(seed=3, lamp_red_level=140, defocus_um=1, jpeg_quality=60, n_specks=50))
    assert all(np.array_equal(a.outline, b.outline) for a, b in zip(one.cells, other.cells, strict=True))


def test_the_field_holds_the_numbers_asked_for(field: PhantomField) -> None:
    asked = field.parameters
    kinds = [cell.kind for cell in field.cells]
    assert kinds.count(CellKind.LYMPHOCYTE) == asked.n_lymphocytes
    assert kinds.count(CellKind.BLAST_L2) == asked.n_blasts_l2
    assert kinds.count(CellKind.PLATELET) == asked.n_platelets
    assert len(field.red_cells) == asked.n_red_cells
    assert field.pixels.shape == (asked.height_px, asked.width_px, 3)


def test_blasts_and_normal_cells_carry_a_label_and_nothing_else_does(field: PhantomField) -> None:
    for cell in field.cells:
        wanted = "blast" if "blast" in cell.kind else "normal" if cell.nucleus_outline is not None else None
        assert cell.label == wanted


def test_the_pixels_are_those_of_the_jpeg(field: PhantomField) -> None:
    decoded = np.asarray(cv2.imdecode(np.frombuffer(field.jpeg, np.uint8), cv2.IMREAD_COLOR))
    assert np.array_equal(decoded, field.pixels)


def test_centres_lie_in_the_frame_and_inside_their_outline(field: PhantomField) -> None:
    for cell in field.cells:
        assert 0 <= cell.x < field.parameters.width_px
        assert 0 <= cell.y < field.parameters.height_px
        assert cv2.pointPolygonTest(cell.outline, (cell.x, cell.y), measureDist=False) > 0


def test_nuclei_lie_inside_their_cells_and_have_the_share_that_is_said(field: PhantomField) -> None:
    for cell in field.cells:
        if cell.nucleus_outline is None:
            continue
        inside = [
            cv2.pointPolygonTest(cell.outline, (float(x), float(y)), True) for x, y in cell.nucleus_outline
        ]
        assert min(inside) > -1.0  # a pixel of rounding
        share = cv2.contourArea(cell.nucleus_outline) / cv2.contourArea(cell.outline)
        assert share == pytest.approx(cell.nucleus_cytoplasm_ratio, abs=0.1)


def test_a_cell_touches_the_border_when_its_outline_leaves_the_frame(field: PhantomField) -> None:
    width, height = field.parameters.width_px, field.parameters.height_px
    for cell in field.cells:
        x, y = cell.outline[:, 0], cell.outline[:, 1]
        assert cell.touches_border == (
            x.min() < 0 or y.min() < 0 or x.max() > width - 1 or y.max() > height - 1
        )


def test_a_nucleus_is_darker_than_its_cytoplasm_and_than_what_lies_about(
    field: PhantomField,
) -> None:
    green, red = field.pixels[..., 1].astype(float), field.pixels[..., 2].astype(float)
    empty = np.percentile(red, 90)
    for cell in field.cells:
        if cell.nucleus_outline is None:
            continue
        nucleus, whole = filled(field, cell.nucleus_outline), filled(field, cell.outline)
        around = cv2.dilate(whole.astype(np.uint8), np.ones((9, 9))) > 0
        assert red[nucleus].mean() < 0.85 * empty
        if (whole & ~nucleus).sum() > 100:
            assert green[nucleus].mean() < 0.9 * green[whole & ~nucleus].mean()
        assert red[nucleus].mean() < red[around & ~whole].mean()


def test_red_cells_absorb_green_light_and_hardly_red(field: PhantomField) -> None:
    taken = np.zeros(field.pixels.shape[:2], bool)
    for cell in field.cells:
        taken |= filled(field, cell.outline)
    red_cells = np.zeros_like(taken)
    for cell in field.red_cells:
        red_cells |= filled(field, cell.outline)
    _, green, red = (field.pixels[red_cells & ~taken, c].mean() for c in range(3))
    _, empty_green, empty_red = (field.pixels[~red_cells & ~taken, c].mean() for c in range(3))
    assert green < 0.9 * empty_green
    assert green / empty_green < red / empty_red - 0.05


def test_l1_blasts_are_small_with_scant_cytoplasm(zoo: dict[CellKind, list[TrueCell]]) -> None:
    for larger in (CellKind.BLAST_L2, CellKind.BLAST_L3):
        assert median(zoo[CellKind.BLAST_L1], "diameter_um") < median(zoo[larger], "diameter_um") - 1
        ratio = "nucleus_cytoplasm_ratio"
        assert median(zoo[CellKind.BLAST_L1], ratio) > median(zoo[larger], ratio) + 0.05


def test_l2_nuclei_are_indented_and_neutrophil_nuclei_lobed(zoo: dict[CellKind, list[TrueCell]]) -> None:
    def typical(kind: CellKind) -> float:
        return float(
            np.median([solidity(c.nucleus_outline) for c in zoo[kind] if c.nucleus_outline is not None])
        )

    assert typical(CellKind.BLAST_L2) < typical(CellKind.BLAST_L1)
    assert typical(CellKind.NEUTROPHIL) < typical(CellKind.MONOCYTE) < typical(CellKind.BLAST_L1)


def test_monocytes_are_the_largest_normal_cells_and_lymphocytes_the_smallest(
    zoo: dict[CellKind, list[TrueCell]],
) -> None:
    order = [
        median(zoo[k], "diameter_um") for k in (CellKind.LYMPHOCYTE, CellKind.NEUTROPHIL, CellKind.MONOCYTE)
    ]
    assert order == sorted(order)


def test_size_alone_does_not_separate_blasts_from_lymphocytes(zoo: dict[CellKind, list[TrueCell]]) -> None:
    largest_lymphocyte = max(cell.diameter_um for cell in zoo[CellKind.LYMPHOCYTE])
    assert largest_lymphocyte > min(cell.diameter_um for cell in zoo[CellKind.BLAST_L1])


def test_l3_cytoplasm_is_the_deepest_blue() -> None:
    def cytoplasm_red(kind: str) -> float:
        shown = render_field(parameters(seed=6, **{**NO_CELLS, f"n_{kind}": 8}))
        cells = [c for c in shown.cells if c.nucleus_outline is not None]
        masks = [filled(shown, c.outline) for c in cells]
        masks = [m & ~filled(shown, np.asarray(c.nucleus_outline)) for m, c in zip(masks, cells, strict=True)]
        return float(np.median(shown.pixels[np.any(masks, axis=0), 2]))

    assert cytoplasm_red("blasts_l3") < cytoplasm_red("blasts_l2") - 10
    assert cytoplasm_red("blasts_l3") < cytoplasm_red("lymphocytes") - 10


def test_clumped_blasts_touch_and_lonely_ones_do_not() -> None:
    def nearest_gap_um(clumped: float) -> float:
        asked = parameters(seed=8, **{**NO_CELLS, "n_blasts_l1": 8, "blast_clump_fraction": clumped})
        cells = render_field(asked).cells
        gaps = [
            np.hypot(a.x - b.x, a.y - b.y) * asked.pixel_um - (a.diameter_um + b.diameter_um) / 2
            for i, a in enumerate(cells)
            for b in cells[:i]
        ]
        return float(min(gaps))

    assert nearest_gap_um(1.0) < 0
    assert nearest_gap_um(0.0) > 0


def test_an_empty_field_is_plasma_and_nothing_else() -> None:
    shown = render_field(parameters(**NO_CELLS))
    assert shown.cells == ()
    for channel in range(3):
        darkest, brightest = np.percentile(shown.pixels[..., channel], (1, 99))
        assert darkest > 0.75 * brightest


def test_defocus_takes_the_detail_away() -> None:
    sharp, soft = (
        cv2.Laplacian(
            render_field(parameters(seed=5, defocus_um=z, shot_noise=0)).pixels[..., 1], cv2.CV_32F
        ).var()
        for z in (0, 4)
    )
    assert soft < sharp / 4


def test_a_low_exposure_darkens_and_a_high_one_saturates() -> None:
    dark, bright = (render_field(parameters(seed=5, exposure=e)).pixels for e in (0.2, 2.5))
    assert np.percentile(dark, 95) < 50
    assert (bright == 255).mean() > 0.3


def test_a_vignette_darkens_the_corners() -> None:
    shown = render_field(parameters(**{**NO_CELLS, "vignetting": 0.5, "lamp_tilt": 0.0})).pixels
    assert shown[:20, :20].mean() < 0.6 * shown[230:250, 310:330].mean()


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 1))
def test_overlapping_red_cells_darken_but_never_beyond_their_sum(
    a: float, b: float, darkening: float
) -> None:
    def through(t: float) -> float:
        return float(stacked(np.array([[t]], np.float32), darkening)[0, 0])

    assert max(through(a), through(b)) <= through(a + b) + 1e-5
    assert through(a + b) <= a + b + 1e-4


@given(st.integers(0, 1000), st.floats(2, 20), st.floats(0, 0.5), st.floats(0, 0.2))
def test_an_outline_has_the_diameter_asked_for(seed: int, diameter: float, flat: float, wavy: float) -> None:
    radii = wavy_ellipse(np.random.default_rng(seed), diameter, flat, wavy)
    assert diameter_of(radii) == pytest.approx(diameter)
    assert (radii > 0).all()


@given(st.integers(0, 1000), st.floats(0, 6.28), st.floats(2, 6))
def test_a_flattened_outline_stays_behind_the_wall(seed: int, direction: float, distance: float) -> None:
    radii = wavy_ellipse(np.random.default_rng(seed), 10, 0.1, 0.05)
    pressed = flattened(radii, direction, distance)
    turns = np.arange(len(radii)) * (2 * np.pi / len(radii))
    assert (pressed * np.cos(turns - direction) <= distance + 1e-6).all()
    assert (pressed <= radii + 1e-9).all()
