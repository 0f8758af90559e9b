"""One way to say that an attack fails: with exactly this refusal, and what served goes on serving."""

from datetime import datetime

import pytest

from alledge.errors import AllscopeError
from alledge.models.fetching import RepositoryFetcher
from alledge.models.installing import Wish
from tests.edge.models.conftest import Scene
from tests.edge.models.forge import NOW, SOFTWARE


def refused(
    scene: Scene,
    code: str,
    wish: Wish | None = None,
    source: str | RepositoryFetcher | None = None,
    now: datetime = NOW,
    software: str = SOFTWARE,
) -> AllscopeError:
    """Install, be refused with this code, and find the old model as it was."""
    state = (scene.device.store.folder / "state.json").read_bytes()
    model = scene.device.serves()
    with pytest.raises(AllscopeError) as refusal:
        scene.device.install(source or scene.stick, wish, now, software)
    assert refusal.value.code == code, str(refusal.value)
    assert len(str(refusal.value)) < 600
    assert scene.device.serves() == model
    assert (scene.device.store.folder / "state.json").read_bytes() == state
    assert not list(scene.device.store.incoming.iterdir())
    return refusal.value
