"""The connections of uvicorn: which of them are idle, and how they are aborted."""

import asyncio
import signal
import socket
import struct
import weakref
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http import h11_impl

from compat import MovedError
from compat import uvicorn as compat_uvicorn
from compat.uvicorn import IDLE_TIMEOUT, Connections, check


class Moved:
    """An API of another shape."""


def test_the_locked_version_passes() -> None:
    check()


@pytest.mark.parametrize(
    ("owner", "name", "what"),
    [
        (h11_impl, "RequestResponseCycle", "RequestResponseCycle"),
        (h11_impl, "H11Protocol", "H11Protocol.cycle"),
        (compat_uvicorn, "ServerState", "Server.server_state"),
    ],
)
def test_a_missing_api_is_named(
    owner: object, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, Moved)
    with pytest.raises(MovedError, match=f"^uvicorn {uvicorn.__version__} .*{what}"):
        check()


class Transport:
    """The transport of a connection, which records what is done to it."""

    def __init__(self) -> None:
        self.options: list[tuple[object, ...]] = []
        self.is_aborted = False

    def get_extra_info(self, name: str) -> "Transport":
        assert name == "socket"
        return self

    def setsockopt(self, *option: object) -> None:
        self.options.append(option)

    def abort(self) -> None:
        self.is_aborted = True


class Cycle:
    """A request and its response on a connection."""

    def __init__(self, scope: dict[str, str] | None = None, is_complete: bool = True) -> None:
        self.scope = scope
        self.response_complete = is_complete


class Protocol:
    """A connection of HTTP/1.1."""

    def __init__(self, cycle: Cycle | None) -> None:
        self.cycle = cycle
        self.transport = Transport()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the connections of a running server with these cycles, and the protocols."""

    def connect(*cycles: Cycle | None) -> tuple[Connections, list[Protocol]]:
        server = uvicorn.Server(uvicorn.Config(lambda: None))
        protocols = [Protocol(cycle) for cycle in cycles]
        server.server_state.connections = {*protocols, object()}  # type: ignore[arg-type]
        monkeypatch.setattr(signal, "getsignal", lambda number: server.handle_exit)
        connections = Connections()
        connections.find_server()
        return connections, protocols

    return connect


def test_without_a_server_there_is_nothing_to_abort() -> None:
    connections = Connections()
    connections.find_server()
    connections.abort({"type": "http"})
    connections.drop_idle(1_000)


def test_a_request_is_aborted_by_a_reset_and_no_other(connected: Any) -> None:
    scope, same = {"type": "http"}, {"type": "http"}
    connections, (ours, other, idle) = connected(Cycle(scope, False), Cycle(same, False), None)
    connections.abort(scope)
    aborted = [protocol.transport.is_aborted for protocol in (ours, other, idle)]
    assert aborted == [True, False, False]
    linger_for_0_seconds = struct.pack("ii", 1, 0)
    assert ours.transport.options == [(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_0_seconds)]


@pytest.mark.parametrize("cycle", [None, Cycle()])
def test_a_connection_without_a_request_is_aborted_after_the_timeout(
    cycle: Cycle | None, connected: Any
) -> None:
    connections, (connection,) = connected(cycle)
    for second in range(int(IDLE_TIMEOUT)):
        connections.drop_idle(float(second))
    assert not connection.transport.is_aborted
    connections.drop_idle(IDLE_TIMEOUT)
    assert connection.transport.is_aborted


def test_when_the_process_ends_the_timeout_is_1_second(connected: Any) -> None:
    connections, (connection,) = connected(Cycle())
    connections.shorten_timeout()
    connections.drop_idle(0)
    assert not connection.transport.is_aborted
    connections.drop_idle(1)
    assert connection.transport.is_aborted


def test_a_connection_in_use_is_kept_even_if_each_look_finds_it_idle(connected: Any) -> None:
    connections, (connection,) = connected(Cycle())
    for second in range(60):
        connections.drop_idle(float(second))
        connection.cycle = Cycle()  # another request came and went
    assert not connection.transport.is_aborted


def test_an_active_request_is_not_idle_and_restarts_the_timeout(connected: Any) -> None:
    connections, (connection,) = connected(Cycle())
    connections.drop_idle(0)
    connection.cycle.response_complete = False
    connections.drop_idle(IDLE_TIMEOUT)
    connection.cycle.response_complete = True
    connections.drop_idle(IDLE_TIMEOUT + 1)
    assert not connection.transport.is_aborted


def test_the_look_for_idle_connections_keeps_no_request_alive(connected: Any) -> None:
    connections, (connection,) = connected(Cycle())
    connections.drop_idle(0)
    last = weakref.ref(connection.cycle)
    connection.cycle = Cycle()
    assert last() is None


async def test_an_exception_does_not_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(now: float) -> None:
        asked.append(now)
        raise RuntimeError

    connections = Connections()
    monkeypatch.setattr(connections, "drop_idle", fail)
    monkeypatch.setattr(compat_uvicorn, "_SWEEP_SECONDS", 0.01)
    sweeping = asyncio.create_task(connections.sweep())
    await asyncio.sleep(0.1)
    assert len(asked) > 1
    sweeping.cancel()
