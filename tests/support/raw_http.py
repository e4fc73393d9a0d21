"""Write HTTP requests byte by byte, and read what comes back."""

import contextlib
import http.client
import io
import json
import socket
import time

import httpx

from tests.support.forms import CONTENT_TYPE, encode_form
from tests.support.serving import UPLOAD, URL, Server

# uvicorn's own response to bytes that are not HTTP. It is plain text, because no application runs.
NOT_HTTP = "Invalid HTTP request received."

AS_JSON = b"Content-Type: application/json"
AS_FORM = b"Content-Type: " + CONTENT_TYPE.encode()
CHUNKED = b"Transfer-Encoding: chunked"

# A valid request that is refused for its URL alone, and its beginning.
REFUSED = json.dumps({"image_url": "http://10.0.0.1/"}).encode()
FIELDS = b'{"image_url": "http://10.0.0.1/", '


def head(
    *headers: bytes,
    method: bytes = b"POST",
    target: bytes = URL.encode(),
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """Return the lines of a request before its body."""
    request_line = b" ".join((method, target, version))
    return b"\r\n".join((request_line, b"Host: service", *headers, b"", b""))


GET_HEALTH = head(method=b"GET", target=b"/health")


def length(size: int) -> bytes:
    """Return the header that declares the size of a body."""
    return b"Content-Length: %d" % size


def upload_request(image: bytes, *headers: bytes) -> bytes:
    """Return the bytes of an upload, with more headers."""
    body = encode_form(image)
    return head(AS_FORM, length(len(body)), *headers, target=UPLOAD.encode()) + body


class Received(io.BytesIO):
    """Received bytes that http.client reads like a socket, one response after another."""

    def makefile(self, _: str) -> "Received":
        """Return itself."""
        return self

    def close(self) -> None:
        """Stay open for the next response."""


def read_response(connection: socket.socket | Received, method: str = "POST") -> httpx.Response:
    """Read the next final response; skip 100 Continue."""
    reply = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]
    reply.begin()
    return httpx.Response(reply.status, headers=reply.getheaders(), content=reply.read())


def read_to_the_end(connection: socket.socket) -> bytes:
    """Read until the service closes the connection."""
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))


def read_to_the_reset(connection: socket.socket) -> bytes:
    """Read until the service closes or resets the connection.

    Closing a connection whose received bytes have not all been read resets it (RFC 9293, 3.10.4).
    What was received before the reset can still be read.
    """
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 20):
            received += chunk
    return received


def send(server: Server, *parts: bytes, method: str = "POST") -> httpx.Response:
    """Send bytes and read one response. The service may close before it has read everything."""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        return read_response(connection, method)


def send_broken(server: Server, not_http: bytes) -> httpx.Response:
    """Send bytes that are not HTTP, and read the response. uvicorn closes without reading more."""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(not_http)
        return read_response(Received(read_to_the_reset(connection)), method="GET")


def send_all(server: Server, request: bytes, *methods: str) -> list[httpx.Response]:
    """Send pipelined requests, one per method, and read all responses until the service closes."""
    with server.connect() as connection:
        connection.sendall(request)
        received = Received(read_to_the_end(connection))
    responses = [read_response(received, method) for method in methods]
    assert received.read() == b""
    return responses


def send_no_body(server: Server, *headers: bytes) -> tuple[httpx.Response, float]:
    """Declare a body of JSON and do not send it; return the response and its seconds."""
    started = time.monotonic()
    with server.connect() as connection:
        connection.sendall(head(AS_JSON, *headers, length(100)))
        return read_response(connection), time.monotonic() - started
