"""The phantom as a camera: every capture renders the next field of a slide."""

import time
from dataclasses import replace

from alledge.cameras.source import ClosesOnExit
from alledge.phantom import parse_phantom_spec, render_field
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
