"""A whole field: draw traits, lay cells out, add up what they absorb, photograph it, tell the truth.

Each kind of thing has its own random stream, so that asking for one platelet more leaves every blast
where it was, and a change of the lamp leaves the smear as it was.
"""

from typing import Final

import numpy as np

from alledge.phantom import stains
from alledge.phantom.debris import draw_plasma, draw_platelet, draw_smudge, draw_speck
from alledge.phantom.layout import Area, Discs, contacts, place_apart_or_clumped, place_red_cells
from alledge.phantom.optics import developed, photograph
from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.red_cells import draw_red_cell, mould, red_cell_outline, stacked
from alledge.phantom.shapes import Window, open_window, outline_points
from alledge.phantom.texture import Texture
from alledge.phantom.traits import CellTraits, draw_traits
from alledge.phantom.truth import BLAST_KINDS, NUCLEATED_KINDS, CellKind, PhantomField, TrueCell
from alledge.phantom.white_cells import draw_white_cell, white_cell_outline
from alledge.types import F32, F64

# The canvas reaches past the frame, so that a cell cut by the border is drawn like any other.
_MARGIN_UM: Final = 32.0
_OUTLINE_POINTS: Final = 64


def render_field(parameters: PhantomParameters) -> PhantomField:
    """The field that the parameters describe: pixels and truth. Same parameters, same field."""
    smear = Smear(parameters)
    cells, red_cells = smear.add_everything()
    jpeg = photograph(smear.stream("camera"), smear.seen(), parameters)
    return PhantomField(developed(jpeg), jpeg, tuple(cells), tuple(red_cells), parameters)


_STREAMS: Final = ("traits", "white", "red", "smudge", "platelet", "speck", "plasma", "texture", "camera")


class Smear:
    """The canvas of optical densities, and the steps that draw on it.

    inset_um: how far from the edge of the frame white cells keep their centres; 0 lets the frame cut them.
    """

    def __init__(self, parameters: PhantomParameters, inset_um: float = 0.0) -> None:
        self._p = parameters
        self._inset_um = inset_um
        self._margin_px = int(np.ceil(_MARGIN_UM / parameters.pixel_um))
        shape = (parameters.height_px + 2 * self._margin_px, parameters.width_px + 2 * self._margin_px, 3)
        self._density = np.zeros(shape, np.float32)
        self._red = np.zeros(shape[:2], np.float32)  # thickness of haemoglobin
        largest = int(np.ceil(2 * _MARGIN_UM / parameters.pixel_um))
        self._texture = Texture(self.stream("texture"), parameters.pixel_um, largest)

    def stream(self, name: str) -> np.random.Generator:
        """The random numbers of one kind of thing."""
        return np.random.default_rng([self._p.seed, _STREAMS.index(name)])

    def _window(self, x_um: float, y_um: float, reach_um: float) -> Window:
        return open_window(x_um, y_um, reach_um, self._p.pixel_um, self._margin_px * self._p.pixel_um)

    def _frame(self, grown_um: float = 0.0) -> Area:
        return Area(-grown_um, -grown_um, self._p.width_um + grown_um, self._p.height_um + grown_um)

    def _add(self, window: Window, density: F32) -> None:
        self._density[window.rows, window.columns] += density

    def add_everything(self) -> tuple[list[TrueCell], list[TrueCell]]:
        """Draws the whole smear; gives the truth about white cells and debris, and about red cells."""
        traits, centres = self.lay_out_white_cells()
        radii = np.array([t.diameter_um / 2 for t in traits])
        red_cells = self.add_red_cells(centres, radii)
        cells = self.add_white_cells(traits, centres, radii)
        cells += self.add_smudges()
        cells += self.add_platelets(centres, radii)
        self.add_specks()
        return cells, red_cells

    def canvas(self) -> tuple[F32, F32, int]:
        """What was drawn, margins included: density (h, w, 3), red cells' thickness (h, w), margin in px."""
        return self._density, self._red, self._margin_px

    def seen(self) -> F32:
        """The optical density of all of it inside the frame: (H, W, 3)."""
        m, p = self._margin_px, self._p
        frame = slice(m, m + p.height_px), slice(m, m + p.width_px)
        return self.stained(self._density[frame], self._red[frame])

    def stained(self, density: F32, thickness: F32) -> F32:
        """The optical density of the frame, (H, W, 3), from what lies in it: dyes, red cells, plasma."""
        p = self._p
        red = stacked(thickness, p.overlap_darkening) * np.float32(p.haemoglobin_strength)
        whole = density + red[..., None] * stains.HAEMOGLOBIN
        whole += draw_plasma(self.stream("plasma"), red.shape, p.pixel_um, p.plasma_strength)
        whole *= np.float32(p.stain_strength)
        return np.asarray(whole, np.float32)

    def lay_out_white_cells(self) -> tuple[list[CellTraits], F64]:
        """Who lies where: the traits of each nucleated cell and (N, 2) centres in um."""
        rng, p = self.stream("traits"), self._p
        counts = (
            p.n_lymphocytes,
            p.n_neutrophils,
            p.n_monocytes,
            p.n_blasts_l1,
            p.n_blasts_l2,
            p.n_blasts_l3,
        )
        kinds = [kind for kind, n in zip(NUCLEATED_KINDS, counts, strict=True) for _ in range(n)]
        kinds = [kinds[i] for i in rng.permutation(len(kinds))]
        traits = [draw_traits(rng, kind, p.trait_spread, p.reactive_fraction) for kind in kinds]
        share = [p.blast_clump_fraction if k in BLAST_KINDS else p.normal_clump_fraction for k in kinds]
        clumped = [bool(rng.random() < s) for s in share]
        radii = np.array([t.diameter_um / 2 for t in traits])
        return traits, place_apart_or_clumped(rng, self._frame(-self._inset_um), radii, clumped, gap_um=0.8)

    def add_red_cells(self, white_centres: F64, white_radii: F64) -> list[TrueCell]:
        """Red cells, about the white ones."""
        rng, p = self.stream("red"), self._p
        diameters = rng.normal(p.red_cell_diameter_um, p.red_cell_diameter_sd_um, p.n_red_cells)
        radii = np.clip(diameters, 0.55 * p.red_cell_diameter_um, 1.5 * p.red_cell_diameter_um) / 2
        area = self._frame(p.red_cell_diameter_um * 0.4)
        centres = place_red_cells(rng, area, radii, white_centres, white_radii, p.rouleaux_fraction)
        found = []
        for radius, (x, y) in zip(radii, centres, strict=True):
            outline = red_cell_outline(rng, 2 * radius, p.red_cell_elongation)
            around = np.vstack([(x, y), white_centres])
            outline = mould(outline, contacts(0, around, np.append(radius, white_radii)))
            window = self._window(x, y, float(outline.max()) + 1.2)
            drawn = draw_red_cell(rng, window, outline, p)
            self._red[window.rows, window.columns] += drawn.thickness
            self._add(window, drawn.edge[..., None])
            found.append(self._truth(CellKind.RED_CELL, x, y, outline_points(outline, _OUTLINE_POINTS)))
        return found

    def add_white_cells(self, traits: list[CellTraits], centres: F64, radii: F64) -> list[TrueCell]:
        """The nucleated cells."""
        rng = self.stream("white")
        found = []
        for i, one in enumerate(traits):
            x, y = centres[i]
            outline = white_cell_outline(rng, one, contacts(i, centres, radii))
            window = self._window(x, y, float(outline.max()) + 1.2)
            drawn = draw_white_cell(rng, window, one, outline, self._texture, self._p)
            self._add(window, drawn.density)
            found.append(self._truth(one.kind, x, y, drawn.outline_um, drawn.nucleus_um, drawn.nucleus_ratio))
        return found

    def add_smudges(self) -> list[TrueCell]:
        """Smudged nuclei, all drawn out in the direction in which the smear was spread."""
        rng, p = self.stream("smudge"), self._p
        heading, found = rng.uniform(0, 2 * np.pi), []
        for x, y in self._frame().darts(rng, p.n_smudges):
            diameter = rng.uniform(13, 24)
            window = self._window(x, y, 0.78 * diameter)
            drawn = draw_smudge(rng, window, diameter, self._texture, heading + rng.normal(0, 0.3))
            self._add(window, drawn.density)
            found.append(self._truth(CellKind.SMUDGE, x, y, drawn.outline_um))
        return found

    def add_platelets(self, white_centres: F64, white_radii: F64) -> list[TrueCell]:
        """Platelets, between and upon the red cells but not upon the white ones."""
        rng, p = self.stream("platelet"), self._p
        large = rng.random(p.n_platelets) < p.large_platelet_fraction
        size = np.where(
            large, rng.uniform(4, 6, p.n_platelets), np.clip(rng.normal(2.5, 0.5, p.n_platelets), 1.5, 4)
        )
        clumped = list(rng.random(p.n_platelets) < p.platelet_clump_fraction)
        white = Discs(white_centres, white_radii)
        centres = place_apart_or_clumped(rng, self._frame(), size / 2, clumped, 0.4, obstacles=white)
        found = []
        for (x, y), diameter in zip(centres, size, strict=True):
            window = self._window(x, y, 0.9 * diameter + 0.8)
            drawn = draw_platelet(rng, window, diameter, self._texture)
            self._add(window, drawn.density)
            found.append(self._truth(CellKind.PLATELET, x, y, drawn.outline_um))
        return found

    def add_specks(self) -> None:
        """Specks of stain and dust, which are no cells and not in the truth."""
        rng = self.stream("speck")
        for x, y in self._frame().darts(rng, self._p.n_specks):
            window = self._window(x, y, 1.5)
            self._add(window, draw_speck(rng, window))

    def _truth(
        self,
        kind: CellKind,
        x_um: float,
        y_um: float,
        outline_um: F64,
        nucleus_um: F64 | None = None,
        nucleus_ratio: float = 0.0,
    ) -> TrueCell:
        outline = self._in_pixels(outline_um, x_um, y_um)
        low, high = outline.min(axis=0), outline.max(axis=0)
        return TrueCell(
            kind=kind,
            x=float(x_um / self._p.pixel_um),
            y=float(y_um / self._p.pixel_um),
            outline=outline,
            nucleus_outline=None if nucleus_um is None else self._in_pixels(nucleus_um, x_um, y_um),
            diameter_um=float(2 * np.sqrt(_area(outline_um) / np.pi)),
            nucleus_cytoplasm_ratio=nucleus_ratio,
            touches_border=bool(
                (low < 0).any() or high[0] > self._p.width_px - 1 or high[1] > self._p.height_px - 1
            ),
        )

    def _in_pixels(self, points_um: F64, x_um: float, y_um: float) -> F32:
        thin = points_um[:: max(len(points_um) // _OUTLINE_POINTS, 1)]
        return np.asarray((thin + np.array([x_um, y_um])) / self._p.pixel_um, np.float32)


def _area(points: F64) -> float:
    """Area of a polygon (shoelace)."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
