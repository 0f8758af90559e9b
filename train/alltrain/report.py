"""placeholder"""

from alltrain.results import Results


def render_report(results: Results) -> str:
    """Tmp."""
    return "<html></html>"
