"""A person's hand on the stage of a microscope, simulated: where each field of a slide is taken.

A hand moves smoothly and never evenly: it speeds up and slows down, stops to look (and trembles), turns
back over what it has seen, returns to an earlier place, and now and then jumps to another part of the
slide. While the stage moves, focus suffers. What the hand promises is the least overlap of a field with
the one before, except after a jump, which it declares.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class HandHabits:
    """How a hand moves; shares are chances a field.

    least_overlap: share of a field, by area, that the one before shows too, jumps apart.
    pause: starts to look at a place for some fields. tremble_um: standard deviation while it does.
    turn_back: reverses. go_home: heads for a place seen earlier. jump: lifts to another place; half of
    the jumps land where the hand has been. moving_defocus_um: at full speed. least_speed: of the longest
    step that keeps the overlap. extent_fields: side of the area that it keeps to, in fields.
    """

    least_overlap: float = 0.2
    pause: float = 0.08
    tremble_um: float = 0.15
    turn_back: float = 0.04
    go_home: float = 0.03
    jump: float = 0.0
    moving_defocus_um: float = 1.5
    least_speed: float = 0.03
    extent_fields: float = 6.0


@dataclass(frozen=True, slots=True)
class Stop:
    """One field: place of its first pixel on the slide, focus, and whether the stage jumped to it."""

    x_um: float
    y_um: float
    defocus_um: float
    is_jump: bool


def hand_path(seed: int, width_um: float, height_um: float, habits: HandHabits) -> Iterator[Stop]:
    """Fields of width_um x height_um, one after the other, for as long as anyone asks."""
    hand = _Hand(np.random.default_rng(seed), width_um, height_um, habits)
    while True:
        yield hand.next_stop()


class _Hand:
    """Place, heading, speed and intention of a hand."""

    def __init__(
        self, rng: np.random.Generator, width_um: float, height_um: float, habits: HandHabits
    ) -> None:
        self._rng = rng
        self._size = np.array([width_um, height_um])
        self._habits = habits
        self._at = np.zeros(2)
        self._seen = [self._at]
        self._heading = rng.uniform(0, 2 * math.pi)
        self._speed = rng.uniform(
            habits.least_speed, 1.0
        )  # of the largest step that keeps the promised overlap
        self._looking = 0
        self._goal: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
        self._first = True

    def next_stop(self) -> Stop:
        """Moves and tells where."""
        if self._first:
            self._first = False
            return self._stop(0.0)
        if self._looking > 0:
            self._looking -= 1
            return self._look()
        if self._rng.random() < self._habits.jump:
            return self._jump()
        self._change_mind()
        step = self._speed * self._longest_step()
        ahead = np.array([math.cos(self._heading), math.sin(self._heading)])
        self._at = self._at + step * ahead
        self._seen.append(self._at)
        return self._stop(self._habits.moving_defocus_um * self._speed * float(self._rng.uniform(0.3, 1.0)))

    def _stop(self, defocus_um: float, tremble_um: float = 0.0, *, is_jump: bool = False) -> Stop:
        x_um, y_um = self._at + self._rng.normal(0.0, 1.0, 2) * tremble_um
        return Stop(float(x_um), float(y_um), defocus_um, is_jump)

    def _look(self) -> Stop:
        # Every other pause is perfectly still: a hand that has let go of the knobs.
        return self._stop(0.0, self._habits.tremble_um if self._looking % 2 else 0.0)

    def _jump(self) -> Stop:
        if self._rng.random() < 0.5:
            self._at = self._seen[int(self._rng.integers(len(self._seen)))]
        else:
            half = self._habits.extent_fields * self._size / 2
            self._at = self._rng.uniform(-half, half)
        self._at = self._at + self._rng.normal(0.0, 0.05, 2) * self._size
        self._goal = None
        self._seen.append(self._at)
        return self._stop(0.0, is_jump=True)

    def _change_mind(self) -> None:
        """New speed and heading, most often close to the old ones."""
        rng, habits = self._rng, self._habits
        self._speed = float(np.clip(self._speed + rng.normal(0.0, 0.15), habits.least_speed, 1.0))
        self._heading += rng.normal(0.0, 0.25)
        if rng.random() < habits.pause:
            self._looking = int(rng.integers(1, 6))
        if rng.random() < habits.turn_back:
            self._heading += math.pi
        if rng.random() < 0.05:
            self._speed = float(rng.uniform(habits.least_speed, 1.0))
        if rng.random() < habits.go_home:
            self._goal = self._seen[int(rng.integers(len(self._seen)))]
        half = habits.extent_fields * self._size / 2
        if (np.abs(self._at) > half).any():
            self._goal = np.zeros(2)
        self._steer()

    def _steer(self) -> None:
        """Towards the goal, until it is near."""
        if self._goal is None:
            return
        way = self._goal - self._at
        if np.hypot(*way) < 0.3 * self._size.min():
            self._goal = None
            return
        self._heading = math.atan2(way[1], way[0]) + self._rng.normal(0.0, 0.1)

    def _longest_step(self) -> float:
        """The step along the heading after which the promised overlap is just kept."""
        across = abs(math.cos(self._heading)) / self._size[0]
        down = abs(math.sin(self._heading)) / self._size[1]
        # (1 - s across)(1 - s down) = least, the smaller root; room is left for trembling.
        least = self._habits.least_overlap + 0.005
        both, product = across + down, across * down
        if product < 1e-12 * both**2:
            return float((1.0 - least) / both)
        return float((both - math.sqrt(both**2 - 4.0 * product * (1.0 - least))) / (2.0 * product))
