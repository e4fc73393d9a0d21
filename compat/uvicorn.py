"""uvicorn's private parts: its open connections, for what ASGI has no word for, dropping one.

A client that does not read keeps its connection, what the server has yet to send, and the stop of the process, for as long as it
likes, since closing a connection waits until all has been sent. A client that sends no request, or half of its headers, keeps its
connection as long.
"""

import asyncio
import contextlib
import inspect
import logging
import re
import signal
import socket
import struct
import time
import weakref
from typing import Any

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http import h11_impl
from uvicorn.server import ServerState

from compat import require

# How long a connection may be open with no request under way on it, in seconds; uvicorn closes those that had one after 5.
IDLE_TIMEOUT = 10.0
_SWEEP_SECONDS = 1.0

_LOGGER = logging.getLogger("background_remover")

# socket(7): linger, for 0 seconds. Closing then resets the connection, and the kernel drops what was not read.
_RESET = struct.pack("ii", 1, 0)


class Connections:
    """The connections of this process's server."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._timeout = IDLE_TIMEOUT
        # Of each connection that is idle: since when, and after which request.
        self._idle: dict[Any, tuple[float, weakref.ref[Any] | None]] = {}

    def find_server(self) -> None:
        """Remember the running server: SIGTERM is handled by a method of its. Without a server (in tests) there is none."""
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        self._server = server if isinstance(server, uvicorn.Server) else None

    def hurry(self) -> None:
        """The server ends, and waits until every connection is closed: who has not read the end of a response has a second more."""
        self._timeout = 1.0

    def abort(self, scope: Scope) -> None:
        """Drop the connection of a request, and what it has not been sent."""
        for connection in self._open():
            if connection.cycle is not None and connection.cycle.scope is scope:
                _drop(connection)

    async def sweep(self) -> None:
        """For ever, drop the connections on which there has been no request for too long."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                self.drop_idle(time.monotonic())
            except Exception:
                _LOGGER.exception("The sweep of idle connections failed; it goes on")

    def drop_idle(self, now: float) -> None:
        """Drop the connections that are idle at `now` and have been so, after the same request, for the whole timeout."""
        idle: dict[Any, tuple[float, weakref.ref[Any] | None]] = {}
        for connection in self._open():
            cycle = connection.cycle
            if cycle is not None and not cycle.response_complete:
                continue
            since, after = self._idle.get(connection, (now, None))
            if cycle is not (
                after() if after is not None else None
            ):  # there has been another request since
                since = now
            idle[connection] = since, None if cycle is None else weakref.ref(cycle)
        self._idle = idle
        for connection, (since, _) in idle.items():
            if now - since >= self._timeout:
                _drop(connection)

    def _open(self) -> list[Any]:
        """uvicorn's protocols for HTTP/1.1: each has its `transport`, and the `cycle` of its last request, or None."""
        return (
            [one for one in self._server.server_state.connections if hasattr(one, "cycle")]
            if self._server
            else []
        )


def _drop(connection: Any) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        connection.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET
        )
    connection.transport.abort()


def check() -> None:
    """Raise MovedError unless connections are told as they were."""
    require(
        "uvicorn",
        uvicorn.__version__,
        {
            "Server.server_state": lambda: (
                "connections" in vars(ServerState()) and hasattr(uvicorn.Server, "handle_exit")
            ),
            "H11Protocol.cycle": lambda: (
                {"cycle", "transport"} <= _attributes(h11_impl.H11Protocol)
            ),
            "RequestResponseCycle": lambda: (
                {"scope", "response_complete"} <= _attributes(h11_impl.RequestResponseCycle)
            ),
        },
    )


def _attributes(of: type) -> set[str]:
    """The names that a class's initialiser gives values to."""
    return set(re.findall(r"self\.(\w+)(?::[^=]+)? = ", inspect.getsource(of.__init__)))  # type: ignore[misc]
