"""Bodies that are too long, too short, too slow or badly framed are bounded in size and time."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.support.forms import END, part
from tests.support.raw_http import (
    AS_FORM,
    AS_JSON,
    CHUNKED,
    NOT_HTTP,
    REFUSED,
    head,
    length,
    read_response,
    read_to_the_end,
    send,
    send_all,
    send_broken,
    upload_request,
)
from tests.support.serving import UPLOAD, URL, Server, assert_error, serve

pytestmark = pytest.mark.usefixtures("unharmed")

KEY = b"X-Api-Key: a-key"


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    """A service that requires a key, and whose requests have one second."""
    with serve(BGR_DEADLINE="1", BGR_API_KEYS="a-key") as server:
        yield server


@pytest.mark.parametrize(
    ("path", "size"),
    [(URL, 65_537), (URL, 10**12), (URL, 10**20 - 1), (UPLOAD, 22_065_537), (UPLOAD, 10**12)],
)
def test_a_length_over_the_limit_is_refused_before_the_body(
    service: Server, path: str, size: int
) -> None:
    refused = send(
        service, head(AS_JSON, length(size), b"Expect: 100-continue", target=path.encode())
    )
    assert_error(refused, 413, "request_too_large")
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(("path", "size"), [(URL, 65_537), (UPLOAD, 22_100_000)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_bodies_over_the_limit_are_refused(
    service: Server, path: str, size: int, is_chunked: bool
) -> None:
    content_type = "application/json" if path == URL else "multipart/form-data; boundary=x"
    body = part(body=bytes(size)) + END if path == UPLOAD else b" " * size
    content = (
        iter(body[start : start + 65_536] for start in range(0, len(body), 65_536))
        if is_chunked
        else body
    )
    headers = {"content-type": content_type}
    response = service.request("POST", path, content=content, headers=headers)
    assert_error(response, 413, "request_too_large")


def test_an_endless_body_is_not_read_to_its_end(service: Server) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with service.connect() as connection:
        connection.sendall(head(AS_JSON, CHUNKED))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
        assert_error(read_response(connection), 413, "request_too_large")
    assert sent < 100_000_000


def test_a_file_over_the_limit_is_refused(service: Server) -> None:
    assert_error(service.upload(b"\xff\xd8\xff" + b"\0" * 22_000_000), 413, "request_too_large")


def test_a_length_that_is_too_short_ends_the_body(service: Server) -> None:
    understood, refused = send_all(
        service, head(AS_JSON, length(len(REFUSED))) + REFUSED + b"more\r\n\r\n", "POST", "POST"
    )
    assert_error(understood, 400, "url_not_allowed")
    # The rest is read as the next request, and is not HTTP.
    assert (refused.status_code, refused.text) == (400, NOT_HTTP)
    assert_error(send(service, head(AS_JSON, length(5)) + REFUSED), 400, "invalid_request")


def test_a_repeated_length_is_accepted_if_it_agrees(service: Server) -> None:
    size = length(len(REFUSED))
    assert_error(send(service, head(AS_JSON, size, size) + REFUSED), 400, "url_not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Length: -5"],
        [b"Content-Length: +5"],
        [b"Content-Length: 0x5"],
        [b"Content-Length: ten"],
        [b"Content-Length: \xb2"],
        [b"Content-Length: 5 5"],
        [b"Content-Length:"],
        [b"Content-Length: " + b"9" * 5000],
        [length(5), length(6)],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: xchunked"],
        [CHUNKED, CHUNKED],
    ],
)
def test_invalid_lengths_are_not_http(service: Server, headers: list[bytes]) -> None:
    refused = send_broken(service, head(AS_JSON, *headers) + REFUSED)
    assert (refused.status_code, refused.text) == (400, NOT_HTTP)


CHUNKS: dict[str, bytes] = {
    "no size": b"x\r\n",
    "a size below zero": b"-1\r\n",
    "a size of 100 digits": b"f" * 100 + b"\r\n",
    "no line end": b"5\r\nhelloXX",
    "an extension without end": b"5;" + b"x" * 70_000,
    "trailers without end": b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 12_000,
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
def test_broken_chunks_are_not_http(service: Server, body: bytes) -> None:
    refused = send_broken(service, head(AS_JSON, CHUNKED) + body)
    assert (refused.status_code, refused.text) == (400, NOT_HTTP)


def test_chunks_with_extensions_and_trailers_are_understood(service: Server) -> None:
    chunks = b"".join(
        b"1;why=not\r\n" + REFUSED[at : at + 1] + b"\r\n" for at in range(len(REFUSED))
    )
    assert_error(
        send(service, head(AS_JSON, CHUNKED), chunks, b"0\r\nX-More: y\r\n\r\n"),
        400,
        "url_not_allowed",
    )
    # With both a length and chunks, the chunks count (RFC 9112, 6.3): no length can hide a
    # second request.
    assert_error(
        send(service, head(AS_JSON, length(5), CHUNKED), chunks, b"0\r\n\r\n"),
        400,
        "url_not_allowed",
    )


SLOW_BODIES = [
    (URL, AS_JSON, b""),
    (URL, AS_JSON, b"{"),
    (UPLOAD, AS_FORM, b""),
    (UPLOAD, AS_FORM, b"--x\r"),
]


def test_slow_bodies_end_at_the_deadline(strict: Server) -> None:
    """All at once: each connection stays open for two seconds after its response."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(strict.connect()) for _ in SLOW_BODIES]
        for connection, (path, content_type, start) in zip(connections, SLOW_BODIES, strict=True):
            request = head(KEY, content_type, length(100), target=path.encode())
            connection.sendall(request + start)
        for connection in connections:
            late = read_response(connection)
            assert_error(late, 504, "deadline_exceeded")
            assert late.headers["connection"] == "close"
        for connection in connections:
            assert connection.recv(1) == b""
    assert strict.get("/health").status_code == 200


def test_a_body_byte_by_byte_ends_at_the_deadline(strict: Server) -> None:
    with strict.connect() as connection:
        connection.sendall(head(KEY, AS_JSON, length(60_000)))
        connection.settimeout(0.05)
        late = b""
        while not late:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                late = connection.recv(65_536)
    assert b" 504 " in late


def test_a_refusal_reaches_a_client_that_is_still_sending(strict: Server) -> None:
    """Closing with unread bytes would reset the connection, and the response could be lost."""
    request = upload_request(bytes(8_000_000))
    for _ in range(20):
        with strict.connect(timeout=5) as connection:
            connection.sendall(request)
            response = read_to_the_end(connection)
            assert b" 401 " in response
            assert response.endswith(b"}")


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
@pytest.mark.parametrize(
    ("target", "media_type", "status", "code"),
    [
        (b"/nothing", AS_FORM, 404, "not_found"),
        (b"/health", AS_FORM, 405, "method_not_allowed"),
        (UPLOAD.encode(), AS_JSON, 415, "unsupported_media_type"),
        (UPLOAD.encode(), AS_FORM, 400, "invalid_request"),
    ],
)
def test_a_refusal_reaches_a_client_that_asked_to_close(
    service: Server, target: bytes, media_type: bytes, status: int, code: str, version: bytes
) -> None:
    """Proxies ask for it, nginx by default; then the server closes after every response."""
    request = head(
        b"Connection: close", media_type, length(8_000_000), target=target, version=version
    ) + bytes(8_000_000)
    assert_error(send_all(service, request, "POST")[0], status, code)
