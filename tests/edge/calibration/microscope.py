"""A phantom microscope to calibrate: slides that are shown on demand, and a camera that can be locked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from alledge.calibration import Calibration, CameraControls, Scale, ScaleSource
from alledge.calibration.empty_field import measure_empty_field
from alledge.calibration.measure import About, calibrate
from alledge.calibration.walk import Step
from alledge.cameras.source import ClosesOnExit
from alledge.clock import ClockTrust, WallTime
from alledge.errors import CalibrationRefused
from alledge.phantom import PhantomParameters, render_field
from alledge.phantom.bare_slides import render_empty_field, render_micrometer
from alledge.types import U8, Frame

# A good area has 0.0096 red cells on a square micrometre.
OPTICS = PhantomParameters(seed=7, width_px=800, height_px=600, n_red_cells=90)
WALL = WallTime(1_790_000_000.0, ClockTrust.SYNCHRONISED)
CONTROLS = CameraControls(exposure_us=8_000, analogue_gain=1.0, colour_gains=(2.0, 1.6))


def frame_of(pixels: U8) -> Frame:
    return Frame(pixels, "phantom", 1, CONTROLS.exposure_us, CONTROLS.analogue_gain, CONTROLS.colour_gains)


def calibration_of(optics: PhantomParameters) -> Calibration:
    """As a micrometer without any error would have it."""
    empty = measure_empty_field([render_empty_field(optics)])
    scale = Scale(optics.pixel_um, 0.00002, ScaleSource.STAGE_MICROMETER, 12)
    return calibrate(empty, scale, 1.5, About("100x oil", "phantom:", CONTROLS, WALL))


@dataclass
class Shelf:
    """Shows what lies on it; tests put other slides there. Gives up at the first refusal, unless told."""

    optics: PhantomParameters = OPTICS
    division_um: float = 10.0
    missing: tuple[Step, ...] = ()
    instead: dict[Step, U8] = field(default_factory=dict)
    patience: int = 0
    heard: list[str] = field(default_factory=list)

    def show(self, step: Step) -> Sequence[Frame]:
        if step in self.missing:
            return []
        if step in self.instead:
            return [frame_of(self.instead[step])]
        if step is Step.EMPTY_FIELD:
            looks = [replace(self.optics, seed=seed) for seed in range(4)]
            return [frame_of(render_empty_field(look)) for look in looks]
        if step is Step.MICROMETER:
            return [frame_of(render_micrometer(self.optics, self.division_um, 21.0))]
        return [frame_of(render_field(self.optics).pixels)]

    def again(self, refused: CalibrationRefused) -> bool:
        """A patient viewer puts the right slide there after having heard that it was the wrong one."""
        self.heard.append(refused.what_happened)
        self.instead.clear()
        self.patience -= 1
        return self.patience >= 0


class LockableCamera(ClosesOnExit):
    """A sensor with gamma that looks at nothing; its exposure and gains can be set."""

    def __init__(self, lamp: float, gamma: float = 2.2) -> None:
        self.lamp = lamp
        self.gamma = gamma
        self.controls = CameraControls()

    def lock(self, controls: CameraControls) -> None:
        self.controls = controls

    def capture(self) -> Frame:
        exposure, gains = self.controls.exposure_us, self.controls.colour_gains
        assert exposure is not None
        assert gains is not None
        light = self.lamp * exposure / 10_000 * np.array([0.5 * gains[1], 1.0, 0.7 * gains[0]])
        level = 255.0 * np.clip(light, 0.0, 1.0) ** (1.0 / self.gamma)
        noise = np.random.default_rng(0).normal(0.0, 1.0, (60, 80, 3))
        pixels = np.clip(np.rint(level + noise), 0, 255).astype(np.uint8)
        return Frame(pixels, "sensor", 1, exposure, self.controls.analogue_gain, gains)
