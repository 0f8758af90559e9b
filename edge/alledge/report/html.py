"""A report as one HTML file: every picture within it, no script, nothing loaded from anywhere.

Styles are in one <style> element, none in attributes, so a page that serves it under a strict content
security policy can allow exactly this one by `style_hash`.
"""

import base64
import hashlib
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from alledge.report.blocks import Bars, Block, Document

_BAR_PX: Final = 26
_TEMPLATE: Final = "report.html.j2"
_STYLE: Final = "report.css"


def to_html(document: Document) -> bytes:
    """The report as an HTML file, UTF-8; the same bytes for the same document."""
    page = _environment().get_template(_TEMPLATE).render(document=document, style=_style(), bar_px=_BAR_PX)
    return page.encode()


def style_hash() -> str:
    """What a Content-Security-Policy must allow in `style-src`: 'sha256-...'."""
    digest = hashlib.sha256(_style().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _environment() -> Environment:
    """Everything escaped, a missing name an error."""
    environment = Environment(
        loader=PackageLoader("alledge", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = _kind
    environment.filters["png"] = lambda data: _data_url("image/png", data)
    environment.filters["jpeg"] = lambda data: _data_url("image/jpeg", data)
    environment.filters["permille"] = lambda share: f"{1000 * share:.1f}"
    environment.filters["chart_height"] = _chart_height
    return environment


@cache
def _style() -> str:
    environment = Environment(loader=PackageLoader("alledge", "report/templates"), autoescape=False)  # noqa: S701  # our own file, no values in it
    return environment.get_template(_STYLE).render()


def _kind(block: Block) -> str:
    return type(block).__name__


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _chart_height(bars: Bars) -> int:
    return _BAR_PX * len(bars.bars) + 22
