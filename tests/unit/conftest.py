"""Fixtures that several unit tests share."""

from collections.abc import Iterator

import pytest
from PIL import Image
from starlette.types import Scope

from compat.uvicorn import Connections
from pipeline.weights.fetch import find_weights
from tests.unit.loopback import LoopbackServer


@pytest.fixture(autouse=True)
def _pillow_limit() -> Iterator[None]:
    """Restore Pillow's own limit of pixels, which `decode` sets for the process."""
    limit = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = limit


@pytest.fixture
def loopback_server(monkeypatch: pytest.MonkeyPatch) -> LoopbackServer:
    """A server on loopback that every connection of the process leads to."""
    return LoopbackServer(monkeypatch)


@pytest.fixture(scope="session")
def weights() -> bytes:
    """The original weights, verified."""
    return find_weights().content


@pytest.fixture
def aborted(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """The requests whose connections were aborted."""
    scopes: list[Scope] = []
    monkeypatch.setattr(Connections, "abort", lambda _, scope: scopes.append(scope))
    return scopes
