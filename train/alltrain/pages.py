"""What every HTML page of alltrain is made with: one environment, and figures with words around them."""

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from alltrain.figures import Figure
from alltrain.meanings import title_and_meaning


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure with the words around it. on_unit_scale: 0 and 1 are its natural ends."""

    name: str
    meaning: str
    figure: Figure

    @property
    def on_unit_scale(self) -> bool:
        """Whether the interval can be drawn on a line from 0 to 1."""
        return self.figure.value is not None and self.figure.value >= 0


def figure_row(name: str, figure: Figure) -> FigureRow:
    """A figure of metrics.json by its title and meaning."""
    title, meaning = title_and_meaning(name)
    return FigureRow(title, meaning, figure)


def page_environment() -> Environment:
    """Templates of alltrain, everything escaped, a missing name an error.

    `number` gives three digits, `figure_title` the title of a figure by its name in metrics.json.
    """
    environment = Environment(
        loader=PackageLoader("alltrain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = _number
    environment.filters["figure_title"] = _figure_title
    return environment


def _number(value: float | None) -> str:
    """Three digits, as figures are read; a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def _figure_title(name: str) -> str:
    return title_and_meaning(name)[0]
