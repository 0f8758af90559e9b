"""What is to be read can be read: contrast by WCAG 2.2, computed from the colours of the style sheet."""

import re
from importlib.resources import files
from itertools import product

import pytest

CSS = (files("alledge.page") / "static" / "page.css").read_text(encoding="utf-8")
COLOURS = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", CSS))
TEXT = ("text", "soft", "link", "finding", "other", "wait", "good", "bad")
GROUNDS = ("ground", "panel", "raised")
LEAST_TEXT = 4.5  # success criterion 1.4.3, level AA
LEAST_SHAPE = 3.0  # success criterion 1.4.11: borders of fields and marks of focus


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize(("text", "ground"), [*product(TEXT, GROUNDS)])
def test_text_reads_on_each_ground(text: str, ground: str) -> None:
    assert contrast(COLOURS[text], COLOURS[ground]) >= LEAST_TEXT


@pytest.mark.parametrize("ground", ["action", "chosen"])
def test_white_reads_on_what_can_be_pressed_and_what_is_chosen(ground: str) -> None:
    assert contrast(COLOURS["action-text"], COLOURS[ground]) >= LEAST_TEXT


@pytest.mark.parametrize("name", ["finding", "other", "wait"])
def test_dark_letters_read_on_the_names_in_the_live_picture(name: str) -> None:
    assert contrast("#101418", COLOURS[name]) >= LEAST_TEXT


@pytest.mark.parametrize(("shape", "ground"), [*product(("focus", "line", "wait"), ("ground", "panel"))])
def test_borders_and_the_mark_of_focus_are_seen(shape: str, ground: str) -> None:
    assert contrast(COLOURS[shape], COLOURS[ground]) >= LEAST_SHAPE


def test_no_colour_of_letters_is_set_beside_the_named_ones() -> None:
    """Else it would not be tested here; black on the white scale bar and white on chosen tiles are."""
    own = set(re.findall(r"[ ;{]color: ([^;}]+)", CSS)) - {"#000", "#fff", "currentColor"}
    assert all(value.strip().startswith("var(--") for value in own), own
