"""Fixtures that several unit tests share."""

import pytest

from tests.unit.loopback import LoopbackServer


@pytest.fixture
def loopback_server(monkeypatch: pytest.MonkeyPatch) -> LoopbackServer:
    """A server on loopback that every connection of the process leads to."""
    return LoopbackServer(monkeypatch)
