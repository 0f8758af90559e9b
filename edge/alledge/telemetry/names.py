"""Names that both sides of a file need, without what either side imports."""

from typing import Final

METRICS_FILE: Final = "metrics.prom"
"""In the runtime folder; node_exporter's textfile collector wants the suffix."""
