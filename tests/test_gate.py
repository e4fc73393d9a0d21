"""The gate alone, between a server and an app that are both a few lines."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive, Scope, Send

from pipeline.settings import Settings
from serving import incoming
from serving.connections import Connections
from serving.gate import UPLOAD_ROUTE, Gate
from serving.holdings import Holdings
from serving.line import Line
from serving.metrics import Metrics

FULL = Line(0)


class Connection:
    """A server's side of one request: what the caller sends, how much of it was read, and what was sent back."""

    def __init__(self, parts: Iterable[bytes], is_whole: bool = True) -> None:
        self._parts = [*parts]
        self._is_whole = is_whole
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._parts:
            await asyncio.Event().wait()  # a caller who neither sends nor leaves
        self.read += 1
        body = self._parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._parts) or not self._is_whole}

    async def send(self, message: Message) -> None:
        self.sent.append({**message, "read": self.read})


async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers 404 without reading."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"Not Found"})


async def post(connection: Connection, path: str, line: Line) -> None:
    headers = [(b"transfer-encoding", b"chunked")]
    scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    holdings = Holdings()
    metrics = Metrics((UPLOAD_ROUTE,), line, holdings)
    await Gate(nothing_there, Settings(), line, holdings, Connections(), metrics)(scope, connection.receive, connection.send)


@pytest.mark.parametrize(("path", "line", "status"), [(UPLOAD_ROUTE, FULL, 429), ("/nothing", Line(1), 404)])
async def test_an_answer_before_the_bodys_end_is_whole_at_once_and_ends_after_it(path: str, line: Line, status: int) -> None:
    connection = Connection([b"0" * 100] * 5)
    await post(connection, path, line)
    start, body, end = connection.sent
    assert (start["status"], start["read"]) == (status, 0)
    assert (len(body["body"]), body["read"], body["more_body"]) == (int(dict(start["headers"])[b"content-length"]), 0, True)
    assert (end["body"], end["read"], end.get("more_body", False)) == (b"", 5, False)


async def test_what_is_dropped_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_LINGER_BYTES", 1000)
    endless = Connection([b"0" * 400] * 100)
    await post(endless, UPLOAD_ROUTE, FULL)
    assert endless.read == 3
    assert not endless.sent[-1].get("more_body", False)


async def test_so_is_the_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_LINGER_SECONDS", 0.05)
    silent = Connection([b"0"], is_whole=False)
    async with asyncio.timeout(5):
        await post(silent, UPLOAD_ROUTE, FULL)
    assert not silent.sent[-1].get("more_body", False)
