"""What stands behind `phantom:` on the command line, turned into parameters or into a clear refusal."""

from alledge.errors import CameraUnavailable
from alledge.phantom.parameters import KNOBS, Knob, PhantomParameters

# The names that design.md and people use for the two knobs that every camera has.
SHORT_NAMES = {"width": "width_px", "height": "height_px"}


def parse_phantom_spec(spec: str) -> PhantomParameters:
    """Parameters from `key=value` pairs parted by commas, with or without square brackets.

    Every knob of PhantomParameters is a key: `seed=3,defocus_um=4` or `[n_red_cells=0,exposure=0.2]`.
    An empty spec gives the defaults.

    Raises:
        CameraUnavailable: a key is unknown or given twice, or a value is no number or out of range.
    """
    text = spec.strip().removeprefix("phantom:").strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    values: dict[str, int | float] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = (part.strip() for part in pair.partition("="))
        knob = _knob_named(key)
        if knob.name in values:
            raise CameraUnavailable(f"The phantom camera was given {knob.name} twice.", "Give it once.")
        values[knob.name] = _read_value(knob, value)
    return PhantomParameters(**values)  # type: ignore[arg-type]  # whole knobs hold ints, see _read_value


def _knob_named(key: str) -> Knob:
    name = SHORT_NAMES.get(key, key)
    if name not in KNOBS:
        raise CameraUnavailable(
            f"The phantom camera has no parameter {key!r}.", f"It knows: {', '.join(KNOBS)}."
        )
    return KNOBS[name]


def _read_value(knob: Knob, text: str) -> int | float:
    kind = "whole number" if knob.whole else "number"
    wanted = f"Give a {kind} from {knob.low:.10g} to {knob.high:.10g}, as in {knob.name}={knob.default:g}."
    try:
        value = int(text) if knob.whole else float(text)
    except ValueError as error:
        raise CameraUnavailable(f"The phantom camera cannot use {knob.name}={text!r}.", wanted) from error
    if not knob.low <= value <= knob.high:  # also refuses nan
        raise CameraUnavailable(f"The phantom camera cannot use {knob.name}={text}.", wanted)
    return value
