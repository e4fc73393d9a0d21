"""Unusual and broken HTTP gets an error, and leaves the service unharmed."""

import pytest

from tests.support.raw_http import (
    AS_JSON,
    GET_HEALTH,
    NOT_HTTP,
    REFUSED,
    head,
    length,
    read_response,
    send,
    send_all,
    send_broken,
)
from tests.support.serving import UPLOAD, URL, Server, assert_error

pytestmark = pytest.mark.usefixtures("unharmed")


def test_expect_100_continue_is_answered(service: Server) -> None:
    with service.connect() as connection:
        connection.sendall(head(AS_JSON, length(len(REFUSED)), b"Expect: 100-continue"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(REFUSED)
        assert_error(read_response(connection), 400, "url_not_allowed")
    assert_error(
        send(service, head(AS_JSON, length(len(REFUSED)), b"Expect: more") + REFUSED),
        400,
        "url_not_allowed",
    )


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.9"])
def test_other_versions_of_http_are_understood(service: Server, version: bytes) -> None:
    assert_error(
        send(service, head(AS_JSON, length(len(REFUSED)), version=version) + REFUSED),
        400,
        "url_not_allowed",
    )


def test_pipelined_requests_are_answered_in_their_order(service: Server) -> None:
    request = head(AS_JSON, length(len(REFUSED))) + REFUSED
    last = head(b"Connection: close", length(0), target=b"/nothing")
    first, second, third, fourth = send_all(
        service, request + GET_HEALTH + request + last, "POST", "GET", "POST", "POST"
    )
    assert_error(first, 400, "url_not_allowed")
    assert second.json() == {"status": "ok"}
    assert_error(third, 400, "url_not_allowed")
    assert_error(fourth, 404, "not_found")


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"]
)
@pytest.mark.parametrize("path", [URL, UPLOAD])
def test_other_methods_are_not_allowed(service: Server, path: str, method: str) -> None:
    refused = send(
        service,
        head(length(5), method=method.encode(), target=path.encode()) + b"hello",
        method=method,
    )
    assert_error(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/health", 200), ("/docs.json", 200), (URL, 405), ("/nothing", 404)],
)
def test_head_has_no_body(service: Server, path: str, status: int) -> None:
    then = head(b"Connection: close", method=b"GET", target=b"/health")
    asked, health = send_all(
        service, head(method=b"HEAD", target=path.encode()) + then, "HEAD", "GET"
    )
    assert asked.status_code == status
    assert health.json() == {"status": "ok"}


@pytest.mark.parametrize(
    "target",
    [
        b"/" + b"x" * 30_000,
        b"/%zz%ff%00",
        b"/remove-background%00",
        b"//remove-background",
        b"/x/../remove-background",
        b"/static_content/..%2f..%2fservice.py",
        b"/static_content/%00",
        b"/static_content/" + b"x" * 5_000,
        b"/static_content/",
        b"*",
        b"health",
        b"/health#x",
        # uvicorn reads the absolute form of RFC 9112 (3.2.2) as a path. Clients send it only to
        # proxies.
        b"http://service/health",
        b"http://10.0.0.1/",
    ],
)
def test_other_paths_are_not_found(service: Server, target: bytes) -> None:
    assert_error(send(service, head(method=b"GET", target=target), method="GET"), 404, "not_found")


def test_connect_is_not_found(service: Server) -> None:
    assert_error(send(service, head(method=b"CONNECT", target=b"10.0.0.1:80")), 404, "not_found")


@pytest.mark.parametrize("span", ["bytes=5-1", "bytes=x", "bytes=999999-", "bytes=-0", "lines=1-2"])
def test_ranges_apply_to_static_files_only(service: Server, span: str) -> None:
    """Swagger UI's files support ranges; the page, which is small, is always sent whole."""
    static = service.get("/static_content/swagger-ui.css", headers={"range": span})
    assert_error(static, 400, "invalid_request")
    assert service.get("/", headers={"range": span}).content == service.get("/").content


UNUSUAL_HEADERS: dict[str, list[bytes]] = {
    "long": [b"X: " + b"x" * 30_000],
    "5,000": [b"X: y"] * 5_000,
    "folded": [b"X: a\r\n b"],
    "bytes": [b"X: \x80\xff"],
    "another protocol": [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"],
    "another method": [b"X-HTTP-Method-Override: DELETE"],
    "another address": [
        b"X-Forwarded-For: 127.0.0.1",
        b"Forwarded: for=127.0.0.1",
        b"X-Original-URL: /metrics",
    ],
    "a key in bytes": [b"Authorization: Bearer \xff\xfe", b"X-Api-Key: \xff"],
    "trace": [
        b"traceparent: 00-zz-" + b"f" * 5_000,
        b"tracestate: =" + b"," * 900,
        b"baggage: " + b"a=b,=,\xff" * 1_000,
    ],
    "BentoML's own": [
        b"Bentoml-Is-Batch: 1",
        b"X-BentoML-Request-ID: ../..",
        b"Args-Number: 5",
        b"Payload-Container: x",
    ],
}


@pytest.mark.parametrize("headers", UNUSUAL_HEADERS.values(), ids=UNUSUAL_HEADERS)
def test_unusual_headers_change_nothing(service: Server, headers: list[bytes]) -> None:
    request = head(AS_JSON, length(len(REFUSED)), *headers) + REFUSED
    assert_error(send(service, request), 400, "url_not_allowed")


@pytest.mark.parametrize("host", [b"", b"[::1", b"a b/c@d:99999", b"x" * 30_000, b"\xff"])
def test_a_bad_host_changes_nothing(service: Server, host: bytes) -> None:
    request = (
        head(AS_JSON, length(len(REFUSED))).replace(b"Host: service", b"Host: " + host) + REFUSED
    )
    assert_error(send(service, request), 400, "url_not_allowed")


BROKEN_HTTP: dict[str, bytes] = {
    "noise": bytes(range(256)) * 40,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "empty lines": b"\r\n" * 1_000,
    "spaces": b" " * 1_000 + b"\r\n\r\n",
    "a path without end": b"GET /" + b"x" * 70_000,
    "a path in bytes": head(method=b"GET", target=b"/\xc3\xa9"),
    "a header without end": GET_HEALTH[:-2] + b"X: " + b"x" * 70_000,
    "headers without end": GET_HEALTH[:-2] + b"X: y\r\n" * 12_000,
    "a NUL in a header": GET_HEALTH[:-2] + b"X: a\0b\r\n\r\n",
    "a space in a header's name": GET_HEALTH[:-2] + b"X : a\r\n\r\n",
    "a header without a name": GET_HEALTH[:-2] + b": a\r\n\r\n",
    "no host": GET_HEALTH.replace(b"Host: service\r\n", b""),
    "two hosts": GET_HEALTH.replace(b"Host: service", b"Host: a\r\nHost: b"),
}


@pytest.mark.parametrize("request_bytes", BROKEN_HTTP.values(), ids=BROKEN_HTTP)
def test_broken_http_gets_uvicorns_error(service: Server, request_bytes: bytes) -> None:
    refused = send_broken(service, request_bytes)
    assert (refused.status_code, refused.text) == (400, NOT_HTTP)
    assert refused.headers["connection"] == "close"


def test_http_2_without_tls_is_not_understood(service: Server) -> None:
    """Its preface reads as a request for an unknown path, then as broken HTTP."""
    nothing, refused = send_all(service, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET", "GET")
    assert_error(nothing, 404, "not_found")
    assert (refused.status_code, refused.text) == (400, NOT_HTTP)


def test_web_sockets_are_refused(service: Server) -> None:
    """BentoML and uvicorn refuse the handshake; it never reaches the service's code."""
    key = b"Sec-WebSocket-Key: " + b"A" * 22 + b"=="
    upgrade = head(
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        key,
        method=b"GET",
    )
    assert send(service, upgrade, method="GET").status_code == 403
