"""What stands behind `phantom:slide=..` on the command line: a slide, a hand, and the knobs of both."""

from dataclasses import dataclass
from typing import Final

from alledge.errors import CameraUnavailable
from alledge.phantom.hand import HandHabits
from alledge.phantom.parameters import PhantomParameters
from alledge.phantom.spec import parse_phantom_spec


@dataclass(frozen=True, slots=True)
class SlideSpec:
    """A slide by its parameters (the seed is the slide's), and the hand on it."""

    parameters: PhantomParameters
    hand_seed: int
    habits: HandHabits


# key -> default, lowest, highest: the knobs that a slide has beside those of a field.
_SLIDE_KNOBS: Final = {
    "slide": (0.0, 0.0, 2.0**32 - 1),
    "hand": (0.0, 0.0, 2.0**32 - 1),
    "overlap": (0.2, 0.05, 0.95),
    "jumps": (0.0, 0.0, 1.0),
    "pauses": (0.08, 0.0, 1.0),
    "moving_defocus_um": (1.5, 0.0, 20.0),
}
_WHOLE: Final = ("slide", "hand")


def names_a_slide(spec: str) -> bool:
    """Whether a phantom spec asks for a slide under a moving hand rather than for single fields."""
    return any(key == "slide" for key, _ in _pairs(spec))


def parse_slide_spec(spec: str) -> SlideSpec:
    """The slide and the hand from `slide=SEED` and other `key=value` pairs parted by commas.

    `hand` seeds the path, `overlap` is the least overlap of successive fields by area, `jumps` and
    `pauses` are chances a field, `moving_defocus_um` is the loss of focus at full speed. All knobs of a
    phantom field but `seed` are knobs of the slide too; numbers of cells are those of one field's area.

    Raises:
        CameraUnavailable: a key is unknown or given twice, or a value is no number or out of range.
    """
    own: dict[str, float] = {}
    others: list[str] = []
    for key, value in _pairs(spec):
        if key == "seed":
            raise CameraUnavailable("A phantom slide has no 'seed'.", "Give slide=SEED and hand=SEED.")
        if key not in _SLIDE_KNOBS:
            others.append(f"{key}={value}")
        elif key in own:
            raise CameraUnavailable(f"The phantom camera was given {key} twice.", "Give it once.")
        else:
            own[key] = _read(key, value)
    knobs = {key: own.get(key, default) for key, (default, _, _) in _SLIDE_KNOBS.items()}
    return SlideSpec(
        parameters=parse_phantom_spec(",".join([*others, f"seed={int(knobs['slide'])}"])),
        hand_seed=int(knobs["hand"]),
        habits=HandHabits(
            least_overlap=knobs["overlap"],
            jump=knobs["jumps"],
            pause=knobs["pauses"],
            moving_defocus_um=knobs["moving_defocus_um"],
        ),
    )


def _pairs(spec: str) -> list[tuple[str, str]]:
    text = spec.strip().removeprefix("phantom:").strip().removeprefix("[").removesuffix("]")
    parts = (part.partition("=") for part in text.split(",") if part.strip())
    return [(key.strip(), value.strip()) for key, _, value in parts]


def _read(key: str, text: str) -> float:
    default, low, high = _SLIDE_KNOBS[key]
    wanted = f"Give a {'whole ' if key in _WHOLE else ''}number from {low:.10g} to {high:.10g}, as in "
    wanted += f"{key}={default:g}."
    try:
        value = float(int(text)) if key in _WHOLE else float(text)
    except ValueError as error:
        raise CameraUnavailable(f"The phantom camera cannot use {key}={text!r}.", wanted) from error
    if not low <= value <= high:  # also refuses nan
        raise CameraUnavailable(f"The phantom camera cannot use {key}={text}.", wanted)
    return value
