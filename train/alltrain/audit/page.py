"""audit.html and audit.json: the audit for the eyes and for scripts.

The findings come first, then the twins as pictures, side by side, then the facts, then the probes with
their intervals drawn. The page holds all it shows.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from alledge import RESEARCH_USE_ONLY
from alledge.durable import write_folder_whole
from alltrain.audit.audit import LEAK_MARK, Audit

AUDIT_JSON: Final = "audit.json"
AUDIT_PAGE: Final = "audit.html"


def write_audit(out: Path, audit: Audit) -> None:
    """Write both files into folder `out`, whole or not at all.

    Raises PathUnusable when `out` holds something else than an audit, StorageFailed.
    """
    text = json.dumps(audit.as_json(), indent=2, allow_nan=False) + "\n"
    with write_folder_whole(out, marker=AUDIT_JSON) as folder:
        (folder / AUDIT_PAGE).write_text(render_audit(audit), encoding="utf-8")
        (folder / AUDIT_JSON).write_text(text, encoding="utf-8")


def render_audit(audit: Audit) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("alltrain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = _number
    return environment.get_template("audit.html.j2").render(
        audit=audit,
        leak_mark=LEAK_MARK,
        support=None,
        research_use_only=RESEARCH_USE_ONLY,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _number(value: float | None) -> str:
    """Three digits, as figures are read; a dash for none."""
    return "-" if value is None else f"{value:.3f}"
