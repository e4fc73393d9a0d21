"""Fixtures that several unit tests share."""

import pytest

from pipeline.weights.fetch import find_weights
from tests.unit.loopback import LoopbackServer


@pytest.fixture
def loopback_server(monkeypatch: pytest.MonkeyPatch) -> LoopbackServer:
    """A server on loopback that every connection of the process leads to."""
    return LoopbackServer(monkeypatch)


@pytest.fixture(scope="session")
def weights() -> bytes:
    """The original weights, verified."""
    return find_weights().content
