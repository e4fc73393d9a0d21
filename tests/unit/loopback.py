"""What downloads need in tests: resolvers, and a server on loopback at every address."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from pipeline.fetch.addresses import Address
from pipeline.fetch.download import Downloader

IMAGE_URL = "http://images.stylespire.com/x.png"


def downloader(**options: Any) -> Downloader:
    """Return a downloader with a limit of 20 MB and 2 seconds, unless `options` say otherwise."""
    return Downloader(**{"max_bytes": 20_000_000, "timeout": 2, **options})


def resolving(*lookups: Sequence[str]) -> Any:
    """Return a resolver that answers each look-up with the next addresses, then with the last."""
    left = list(lookups)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        return [ip_address(address) for address in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve


class LoopbackServer:
    """A server on loopback, and a network in which every address leads to it.

    Each connection receives the next of `responses` once it has sent bytes up to `separator`.
    Without a response it is kept waiting.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connects: list[str] = []
        # Kept here, so that only the download closes them, not the garbage collector.
        self.sockets: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.responses: list[bytes] = []
        self.separator = b"\r\n\r\n"
        self._patch = monkeypatch

    async def start(self, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Listen, and lead every connection of the process here."""
        server = await asyncio.start_server(self._respond, "127.0.0.1", 0, ssl=tls)
        here, connect = server.sockets[0].getsockname(), asyncio.SelectorEventLoop.sock_connect

        async def connect_here(loop: Any, sock: socket.socket, address: Any) -> None:
            self.connects.append(address[0])
            self.sockets.append(sock)
            await connect(loop, sock, here)

        self._patch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect_here)
        return server

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.requests.append(await reader.readuntil(self.separator))
            if self.responses:
                writer.write(self.responses.pop(0))
                await writer.drain()
            else:
                await reader.read()
        writer.close()
