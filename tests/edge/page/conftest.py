"""The page's tests need its extra; without it, as beside the oldest versions, they are left out."""

from importlib.util import find_spec

_NEEDED = ("fastapi", "uvicorn", "segno", "fpdf", "httpx", "schemathesis")
HAS_PAGE = all(find_spec(name) for name in _NEEDED)
collect_ignore_glob = [] if HAS_PAGE else ["test_*.py"]

if HAS_PAGE:
    from tests.edge.page.bench import bench, still

    __all__ = ["bench", "still"]
