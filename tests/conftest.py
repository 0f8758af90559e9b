"""Fixtures that every part shares."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast an example runs depends on what else the machine does: no test may fail for that.
settings.register_profile("allscope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("allscope")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real smear images beside the repository; tests that need it are skipped without it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip(f"real smear images are not here: no {folder}; see docs/data.md")
    return folder
