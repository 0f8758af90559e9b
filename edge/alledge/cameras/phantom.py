"""The phantom as a camera: every capture renders the next field, of a new smear or of one slide.

`phantom:seed=3` gives unrelated fields; `phantom:slide=3` gives the fields of one slide that a simulated
hand moves, overlapping as a hand makes them overlap.
"""

import time
from dataclasses import replace

from alledge.cameras.source import ClosesOnExit
from alledge.phantom import parse_phantom_spec, render_field
from alledge.phantom.hand import hand_path
from alledge.phantom.slide import PhantomSlide
from alledge.phantom.slide_spec import names_a_slide, parse_slide_spec
from alledge.types import Frame


class PhantomSource(ClosesOnExit):
    """Renders fields from a spec such as `seed=3,defocus_um=1.5`; the seed counts up at each capture."""

    def __init__(self, spec: str) -> None:
        self._parameters = parse_phantom_spec(spec)

    def capture(self) -> Frame:
        """Renders one field; its source names the seed, so that any field can be rendered again."""
        timestamp_ns = time.monotonic_ns()
        parameters = self._parameters
        self._parameters = replace(parameters, seed=(parameters.seed + 1) % 2**32)
        return Frame(
            pixels=render_field(parameters).pixels,
            source=f"phantom:seed={parameters.seed}",
            sensor_timestamp_ns=timestamp_ns,
        )


class PhantomSlideSource(ClosesOnExit):
    """Renders the fields of one slide along the path of a hand, from a spec such as `slide=3,overlap=0.3`."""

    def __init__(self, spec: str) -> None:
        asked = parse_slide_spec(spec)
        p = asked.parameters
        self._slide = PhantomSlide(p)
        self._path = hand_path(asked.hand_seed, p.width_um, p.height_um, asked.habits)
        self._n_captured = 0

    def capture(self) -> Frame:
        """Renders where the hand is now, and moves it; the source names the place on the slide."""
        timestamp_ns = time.monotonic_ns()
        stop = next(self._path)
        p = self._slide.parameters
        optics = replace(p, defocus_um=min(p.defocus_um + stop.defocus_um, 20.0))
        pixels = self._slide.photograph(stop.x_um, stop.y_um, self._n_captured, optics)
        self._n_captured += 1
        return Frame(
            pixels=pixels,
            source=f"phantom:slide={p.seed},x_um={stop.x_um:.2f},y_um={stop.y_um:.2f}",
            sensor_timestamp_ns=timestamp_ns,
        )


def open_phantom(spec: str) -> PhantomSource | PhantomSlideSource:
    """The phantom camera that a spec asks for.

    Raises:
        CameraUnavailable: a key is unknown or given twice, or a value is no number or out of range.
    """
    return PhantomSlideSource(spec) if names_a_slide(spec) else PhantomSource(spec)
