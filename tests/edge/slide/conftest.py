"""The slide is drawn once for all tests: drawing costs far more than photographs."""

import pytest

from alledge.phantom.slide import PhantomSlide
from tests.edge.slide.slides import SMALL


@pytest.fixture(scope="session")
def slide() -> PhantomSlide:
    return PhantomSlide(SMALL, tiles_kept=64)
