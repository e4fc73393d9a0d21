"""uvicorn's open connections, for what ASGI has no word for: dropping one.

A caller that does not read keeps its connection, what the server has yet to send, and the stop of the process, for as long as it
likes, since closing a connection waits until all has been sent. A caller that sends no request, or half of its headers, keeps its
connection as long.
"""

import asyncio
import signal
import socket
import struct
from typing import Any

import uvicorn
from starlette.types import Scope

# How long a connection may be open with no request under way on it, in seconds; uvicorn closes those that had one after 5.
IDLE_TIMEOUT = 10.0

# socket(7): linger, for 0 seconds. Closing then resets the connection, and the kernel drops what was not read.
_RESET = struct.pack("ii", 1, 0)


class Connections:
    """The connections of this process's server."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None

    def find_server(self) -> None:
        """Remember the running server: SIGTERM is handled by a method of its. Without a server (in tests) there is none."""
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        self._server = server if isinstance(server, uvicorn.Server) else None

    def abort(self, scope: Scope) -> None:
        """Drop the connection of a request, and what it has not been sent."""
        for connection in self._open():
            if connection.cycle is not None and connection.cycle.scope is scope:
                _drop(connection)

    async def sweep(self) -> None:
        """For ever, drop the connections on which there has been no request for too long."""
        idle_since: dict[Any, float] = {}
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time()
            idle = [one for one in self._open() if one.cycle is None or one.cycle.response_complete]
            idle_since = {connection: idle_since.get(connection, now) for connection in idle}
            for connection, since in idle_since.items():
                if now - since >= IDLE_TIMEOUT:
                    _drop(connection)

    def _open(self) -> list[Any]:
        """uvicorn's protocols for HTTP/1.1: each has its `transport`, and the `cycle` of its last request, or None."""
        return [one for one in self._server.server_state.connections if hasattr(one, "cycle")] if self._server else []


def _drop(connection: Any) -> None:
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.transport.abort()
