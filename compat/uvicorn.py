"""uvicorn: the open connections, to abort one, which ASGI cannot.

Closing a connection waits until everything has been sent. A client that does not read would
therefore keep its connection, its response and the ending process alive for any time. So would a
client that sends no request, or half of its headers.
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

# How long a connection may stay open without an active request, in seconds. uvicorn closes a
# connection 5 s after a response; this is for connections that never had a request.
IDLE_TIMEOUT = 10.0
_SWEEP_SECONDS = 1.0

_LOGGER = logging.getLogger("background_remover")

# SO_LINGER for 0 seconds (socket(7)): closing resets the connection and discards unsent data.
_RESET = struct.pack("ii", 1, 0)


class Connections:
    """The connections of this process's server."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._timeout = IDLE_TIMEOUT
        # For each idle connection: since when, and after which request.
        self._idle: dict[Any, tuple[float, weakref.ref[Any] | None]] = {}

    def find_server(self) -> None:
        """Find the running server by its SIGTERM handler. Tests may run without a server."""
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        self._server = server if isinstance(server, uvicorn.Server) else None

    def shorten_timeout(self) -> None:
        """Give idle clients 1 s instead of 10: the ending server waits for their connections."""
        self._timeout = 1.0

    def abort(self, scope: Scope) -> None:
        """Abort the connection of a request, and discard unsent data."""
        for connection in self._open():
            if connection.cycle is not None and connection.cycle.scope is scope:
                _abort(connection)

    async def sweep(self) -> None:
        """Abort idle connections every second, forever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                self.drop_idle(time.monotonic())
            except Exception:
                _LOGGER.exception("Aborting idle connections failed; trying again")

    def drop_idle(self, now: float) -> None:
        """Abort the connections without a request since the timeout before `now` (monotonic)."""
        idle: dict[Any, tuple[float, weakref.ref[Any] | None]] = {}
        for connection in self._open():
            cycle = connection.cycle
            if cycle is not None and not cycle.response_complete:
                continue
            since, after = self._idle.get(connection, (now, None))
            if cycle is not (after() if after is not None else None):  # a later request has ended
                since = now
            idle[connection] = since, None if cycle is None else weakref.ref(cycle)
        self._idle = idle
        for connection, (since, _) in idle.items():
            if now - since >= self._timeout:
                _abort(connection)

    def _open(self) -> list[Any]:
        """Return uvicorn's HTTP/1.1 protocols.

        Each has a `transport`, and the `cycle` of its last request or None.
        """
        if self._server is None:
            return []
        return [one for one in self._server.server_state.connections if hasattr(one, "cycle")]


def _abort(connection: Any) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        connection.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET
        )
    connection.transport.abort()


def check() -> None:
    """Raise MovedError if a private API used here is missing."""
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
    """Return the names of the attributes that `__init__` of a class sets."""
    source = inspect.getsource(of.__init__)  # type: ignore[misc]
    return set(re.findall(r"self\.(\w+)(?::[^=]+)? = ", source))
