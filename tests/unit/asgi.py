"""A server and an app of a few lines, for tests of what stands between the two."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.lifecycle import RequestLifecycle, request_context
from serving.middleware import RequestMiddleware
from serving.parsing import UPLOAD_ENDPOINT
from serving.runtime import Runtime

# The limit of a body at an Endpoint, in bytes.
BODY_LIMIT = 1_000

Respond = Callable[[Request], Awaitable[Response]]


class Connection:
    """The server's side of one request.

    `parts` are what the client sends. It stops sending if `is_whole` is False, and disconnects when
    `has_left` is set. `read` counts the parts that were read; `sent` are the messages sent back,
    each with the count at that time.
    """

    def __init__(self, parts: Iterable[bytes], is_whole: bool = True) -> None:
        self._parts = [*parts]
        self._is_whole = is_whole
        self.has_left = asyncio.Event()
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """Return the next part, or the disconnect."""
        if not self._parts:
            await self.has_left.wait()
            return {"type": "http.disconnect"}
        self.read += 1
        body = self._parts.pop(0)
        more_body = bool(self._parts) or not self._is_whole
        return {"type": "http.request", "body": body, "more_body": more_body}

    async def send(self, message: Message) -> None:
        """Record a message."""
        self.sent.append({**message, "read": self.read})

    @property
    def status(self) -> int:
        """The status of the response."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the response, in lower case."""
        return {name.lower(): value for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The body of the response so far."""
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def code(self) -> str:
        """The code of an error response."""
        code: str = json.loads(self.body)["code"]
        return code

    @property
    def is_ended(self) -> bool:
        """Whether the last message ended the response."""
        return not self.sent[-1].get("more_body", False)


class Place:
    """A request that holds a place."""

    holds_place = True

    def shut_down(self) -> None:
        """Ignore it."""


class Blocked(Connection):
    """A client that takes `takes` messages of a response, its head included, and no more."""

    def __init__(self, parts: Iterable[bytes], takes: int, **of: Any) -> None:
        super().__init__(parts, **of)
        self._takes = takes

    async def send(self, message: Message) -> None:
        """Record a message, or wait forever."""
        if len(self.sent) >= self._takes:
            await asyncio.Event().wait()
        await super().send(message)


def request(content_type: bytes | None, *parts: bytes, **headers: bytes) -> Request:
    """Return a request whose body comes in these parts."""
    left = [*parts]
    raw = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    if content_type is not None:
        raw.append((b"content-type", content_type))

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


class Endpoint:
    """An app of one endpoint, which admits each request and then does what `respond` says."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self.requests: list[RequestLifecycle] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_context.get()
        request.admit(UPLOAD_ENDPOINT, BODY_LIMIT)
        self.requests.append(request)
        try:
            response = await self._respond(Request(scope, receive))
        except ClientDisconnect:
            response = Response(status_code=499)
        request.code = "ok"
        await response(scope, receive, send)

    async def active(self) -> RequestLifecycle:
        """Return the request that is active, as soon as it has been read."""
        async with asyncio.timeout(5):
            while not self.requests or not self.requests[-1].body.is_read:
                await asyncio.sleep(0)
        return self.requests[-1]


async def read_and_respond(request: Request) -> Response:
    """Respond with the length of the body."""
    return JSONResponse(len(await request.body()))


async def read_and_wait(request: Request) -> Response:
    """Read the body and wait forever."""
    await request.body()
    await asyncio.Event().wait()
    raise AssertionError


async def respond_404(scope: Scope, receive: Receive, send: Send) -> None:
    """Send a bare 404 without reading."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"Not Found"})


async def post(
    app: ASGIApp,
    connection: Connection,
    runtime: Runtime | None = None,
    path: str = UPLOAD_ENDPOINT,
    **scope: Any,
) -> None:
    """Send a request of unknown length through the middleware."""
    headers = [(b"transfer-encoding", b"chunked")]
    request: Scope = {"type": "http", "method": "POST", "path": path, "headers": headers} | scope
    middleware = RequestMiddleware(app, runtime or Runtime({}))
    await middleware(request, connection.receive, connection.send)
