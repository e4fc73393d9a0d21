"""Callers that break every rule of JSON, forms and HTTP: each is told so in the contract's words, and leaves no trace."""

import contextlib
import http.client
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.serving import Server, assert_error, serve
from tests.support.source import Source

URL, UPLOAD = "/remove-background", "/remove-background/upload"

# What uvicorn answers by itself, before any application: no HTTP, or none that it reads. It is plain text, and stays so.
NO_HTTP = "Invalid HTTP request received."

# A request that is understood whole, and refused for its URL alone.
REFUSED = json.dumps({"image_url": "http://10.0.0.1/"}).encode()
FIELDS = b'{"image_url": "http://10.0.0.1/", '


@pytest.fixture(autouse=True)
def unharmed(service: Server) -> Iterator[None]:
    """After each test the service is healthy, and its log tells of no defect: it warns of broken HTTP alone."""
    before = len(service.log_lines())
    yield
    assert service.get("/health").status_code == 200
    for line in service.log_lines()[before:]:
        assert "traceback" not in line
        assert line["level"] == "info" or line["message"] in (
            NO_HTTP,
            "Unsupported upgrade request.",
        ), line
        assert line.get("status") != 500, line


@pytest.fixture(scope="module")
def hasty() -> Iterator[Server]:
    """A service whose requests have one second."""
    with serve(BGR_DEADLINE="1") as server:
        yield server


class Received(io.BytesIO):
    """Bytes that were received, as http.client reads them: several answers, one after another."""

    def makefile(self, _: str) -> "Received":
        return self

    def close(self) -> None:
        pass


def answer(connection: socket.socket | Received, method: str = "POST") -> httpx.Response:
    """The next final answer; one of 100 is passed over."""
    reply = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]
    reply.begin()
    return httpx.Response(reply.status, headers=reply.getheaders(), content=reply.read())


def answers(server: Server, request: bytes, *methods: str) -> list[httpx.Response]:
    """All answers until the service closes the connection, one for each method."""
    with server.connect() as connection:
        connection.sendall(request)
        received = Received(b"".join(iter(lambda: connection.recv(65_536), b"")))
    every = [answer(received, method) for method in methods]
    assert received.read() == b""
    return every


def say(server: Server, *parts: bytes, method: str = "POST") -> httpx.Response:
    """The answer to these bytes; the service may hang up before it has read them all."""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
        return answer(connection, method)


def head(
    *headers: bytes,
    method: bytes = b"POST",
    target: bytes = URL.encode(),
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """A request's lines up to its body."""
    return b"\r\n".join(
        (b" ".join((method, target, version)), b"Host: service", *headers, b"", b"")
    )


AS_JSON = b"Content-Type: application/json"
AS_FORM = b"Content-Type: multipart/form-data; boundary=x"
CHUNKED = b"Transfer-Encoding: chunked"
GET_HEALTH = head(method=b"GET", target=b"/health")


def length(size: int) -> bytes:
    return b"Content-Length: %d" % size


def post_json(server: Server, body: bytes, *headers: tuple[str, str]) -> httpx.Response:
    sent = headers or (("content-type", "application/json"),)
    return httpx.post(
        server.url + URL, content=body, headers=list(sent), timeout=30, trust_env=False
    )


def post_form(
    server: Server, body: bytes, content_type: bytes = b"multipart/form-data; boundary=x"
) -> httpx.Response:
    headers = {b"content-type": content_type}
    return httpx.post(
        server.url + UPLOAD, content=body, headers=headers, timeout=30, trust_env=False
    )


# JSON


INVALID: list[dict[str, Any]] = [
    {},
    {"image_url": 5},
    {"image_url": None},
    {"image_url": ["http://a.com/x"]},
    {"image_url": {"image_url": "http://a.com/x"}},
    {"image_url": "http://a.com/x?token=secret", "unknown": 1},
    {"image_url": "http://a.com/x", "": 1},
    {"image_url": "http://a.com/x", "__proto__": {}},
    {"image_url": "http://a.com/x", "Margin": 1},
    {"image_url": "http://a.com/x", "margin": 501},
    {"image_url": "http://a.com/x", "margin": -1},
    {"image_url": "http://a.com/x", "margin": "5"},
    {"image_url": "http://a.com/x", "margin": 5.5},
    {"image_url": "http://a.com/x", "margin": True},
    {"image_url": "http://a.com/x", "margin": None},
    {"image_url": "http://a.com/x", "margin": 10**400},
    {"image_url": "http://a.com/x", "crop": "yes"},
    {"image_url": "http://a.com/x", "crop": 1},
    {"image_url": "http://a.com/x", "crop": None},
    {"image_url": "http://a.com/x", "subject": "smallest"},
    {"image_url": "http://a.com/x", "subject": ["all"]},
    {"image_url": "http://a.com/x", "output": "video"},
    {"image_url": "http://a.com/x", "format": "gif"},
    {"image_url": "http://a.com/x", "format": "PNG"},
    {"image_url": "http://a.com/x", "background": "red"},
    {"image_url": "http://a.com/x", "background": "#12345"},
    {"image_url": "http://a.com/x", "background": "#fff\n"},
]

NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "an array": b"[]",
    "a number": b"5",
    "null": b"null",
    "a string": b'"x"',
    "open": b"{",
    "two objects": REFUSED * 2,
    "a comma at the end": FIELDS + b"}",
    "a comment": REFUSED + b" // please",
    "single quotes": b"{'image_url': 'http://10.0.0.1/'}",
    "a form": b"image_url=http%3A%2F%2F10.0.0.1%2F",
    "a key twice": FIELDS + b'"image_url": "http://10.0.0.1/"}',
    "a key twice in two spellings": FIELDS + b'"\\u0069mage_url": "http://10.0.0.2/"}',
    "an option twice": FIELDS + b'"margin": 1, "margin": 2}',
    "a key twice, deep inside": FIELDS + b'"margin": {"a": 1, "a": 2}}',
    "NaN": FIELDS + b'"margin": NaN}',
    "Infinity": FIELDS + b'"margin": Infinity}',
    "-Infinity": FIELDS + b'"margin": -Infinity}',
    "a large exponent": FIELDS + b'"margin": 1e400}',
    "a larger exponent": FIELDS + b'"margin": 1e999999999}',
    "5,000 digits": FIELDS + b'"margin": ' + b"9" * 5000 + b"}",
    "60,000 digits": FIELDS + b'"margin": ' + b"9" * 60_000 + b"}",
    "60,000 decimals": FIELDS + b'"margin": 1.5' + b"9" * 60_000 + b"}",
    "a zero in front": FIELDS + b'"margin": 01}',
    "deep arrays": b"[" * 30_000,
    "deep arrays, closed": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep inside": FIELDS + b'"margin": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "5,000 keys": b"{" + b",".join(b'"%d":1' % number for number in range(5000)) + b"}",
    "a lone surrogate as a key": FIELDS + b'"\\udfff": 1}',
    "a lone surrogate as an option": FIELDS + b'"subject": "\\ud83d"}',
    "a NUL": b"\0",
    "a NUL in a string": b'{"image_url": "http://10.0.0.1/\0"}',
    "a NUL after the end": REFUSED + b"\0",
    "a byte order mark": b"\xef\xbb\xbf" + REFUSED,
    "UTF-16": REFUSED.decode().encode("utf-16"),
    "UTF-16 without a mark": REFUSED.decode().encode("utf-16-le"),
    "UTF-32": REFUSED.decode().encode("utf-32"),
    "Latin-1": b'{"image_url": "http://10.0.0.1/\xe9"}',
    "overlong UTF-8": b'{"image_url": "http://10.0.0.1/\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"image_url": "http://10.0.0.1/\xed\xa0\x80"}',
    "noise": bytes(range(256)),
}


BODIES = {json.dumps(body)[:60]: json.dumps(body).encode() for body in INVALID} | NO_JSON


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_json_that_is_none_or_asks_for_nothing_there_is(service: Server, body: bytes) -> None:
    response = post_json(service, body)
    assert_error(response, 400, "invalid_request")
    assert "secret" not in response.text + service.log.read_text()


@pytest.mark.parametrize(
    "body",
    [
        REFUSED,
        b" \r\n\t" + REFUSED + b" \n",
        b'{"image\\u005furl": "http:\\/\\/10.0.0.1\\/"}',
        FIELDS + b'"background": null, "margin": 5.0}',
        FIELDS + b'"margin": 5e1}',
    ],
)
def test_json_that_is_unusual_and_right(service: Server, body: bytes) -> None:
    assert_error(post_json(service, body), 400, "url_not_allowed")


def test_the_key_that_is_given_twice_is_told_so(service: Server) -> None:
    assert (
        "twice"
        in assert_error(post_json(service, NO_JSON["a key twice"]), 400, "invalid_request")["error"]
    )


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", "text/plain")],
        [("content-type", "application/x-www-form-urlencoded")],
        [("content-type", "image/png")],
        [("content-type", "multipart/form-data; boundary=x")],
        [("content-type", "application/json, text/plain")],
        [("content-type", "application/jsonx")],
        [("content-type", "application/json"), ("content-type", "application/json")],
        [("content-type", "text/plain"), ("content-type", "application/json")],
        [("content-type", "application/json"), ("content-encoding", "gzip")],
        [
            ("content-type", "application/json"),
            ("content-encoding", "identity"),
            ("content-encoding", "br"),
        ],
        [("content-type", "application/json"), ("content-encoding", "identity, deflate")],
        [("content-type", "application/json"), ("content-encoding", "")],
    ],
)
def test_media_types(service: Server, headers: list[tuple[str, str]]) -> None:
    assert_error(post_json(service, REFUSED, *headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;", ""]
)
def test_spellings_of_the_media_type(service: Server, content_type: str) -> None:
    assert_error(
        post_json(service, REFUSED, ("content-type", content_type)), 400, "url_not_allowed"
    )


# Forms


FILE = b'Content-Disposition: form-data; name="image"; filename="a"'
END = b"--x--\r\n"


def part(headers: bytes = FILE, body: bytes = b"<svg/>") -> bytes:
    """One part of a form; by default the file, which is no picture: the form is understood if that is the answer."""
    return b"--x\r\n" + headers + b"\r\n\r\n" + body + b"\r\n"


def named(name: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="%s"' % name


NESTED = named(b"image") + b"\r\nContent-Type: multipart/mixed; boundary=y"

BROKEN_FORMS: dict[str, bytes] = {
    "nothing": b"",
    "the end alone": END,
    "no end": part(),
    "cut in the boundary": b"--",
    "cut in the headers": part()[:20],
    "cut in the file": part()[:-4],
    "headers without end": b"--x\r\n" + b"a: b\r\n" * 100_000,
    "a header without end": b"--x\r\na: " + b"b" * 1_000_000,
    "a header's name without end": b"--x\r\n" + b"a" * 1_000_000,
    "a header without a name": part(b": x\r\n" + FILE) + END,
    "a header with a space": part(b"Content Disposition: form-data") + END,
    "a folded header": part(b'Content-Disposition: form-data;\r\n name="image"; filename="a"')
    + END,
    "no headers": part(b"") + END,
    "no disposition": part(b"Content-Type: image/png") + END,
    "no name": part(b"Content-Disposition: form-data") + END,
    "an empty name": part(b'Content-Disposition: form-data; name=""; filename="a"') + END,
    "a name in invalid UTF-8": part(
        b'Content-Disposition: form-data; name="\xff\xfe"; filename="a"'
    )
    + END,
    "a name by RFC 2231": part(b"Content-Disposition: form-data; name*=utf-8''image; filename=a")
    + END,
    "a file name by RFC 2231 alone": part(
        b"Content-Disposition: form-data; name=\"image\"; filename*=utf-8''a"
    )
    + END,
    "a file name of a megabyte": part(FILE[:-1] + b"a" * 1_000_000 + b'"') + END,
    "100,000 parameters": part(FILE + b'; a="b"' * 100_000) + END,
    "another boundary": part().replace(b"--x", b"--y") + b"--y--\r\n",
    "line feeds alone": (part() + END).replace(b"\r\n", b"\n"),
    "a preamble of megabytes": b"x" * 5_000_000 + b"\r\n" + part() + END,
    "nested": part(
        named(b"image") + b"\r\nContent-Type: multipart/mixed; boundary=y",
        b"--y\r\n" + FILE + b"\r\n\r\nx\r\n--y--",
    )
    + END,
    "noise": bytes(range(256)) * 100,
    "JSON": REFUSED,
    "another file": part(FILE.replace(b"image", b"picture")) + END,
    "two files": part() + part() + END,
    "two files of two names": part() + part(FILE.replace(b"image", b"picture")) + END,
    "no file": part(named(b"subject"), b"all") + END,
    "an option as a file": part() + part(FILE.replace(b"image", b"subject"), b"all") + END,
    "a field of 20 MB": part(named(b"subject"), b"x" * 19_900_000) + part() + END,
    "a field of 2 KB": part(named(b"subject"), b"x" * 2048) + part() + END,
    "10,000 fields": b"".join(part(named(b"field%d" % number), b"x") for number in range(10_000))
    + part()
    + END,
    "10,000 times one field": part(named(b"margin"), b"1") * 10_000 + part() + END,
    "a field twice": part(named(b"margin"), b"1") * 2 + part() + END,
    "the file and a field of its name": part() + part(named(b"image"), b"x") + END,
    "an unknown field": part(named(b"unknown"), b"1") + part() + END,
}
BROKEN_FORMS |= {
    f"{name!r}: {value[:20]!r}": part(named(name), value) + part() + END
    for name, value in (
        (b"margin", b"501"),
        (b"margin", b"x"),
        (b"margin", b""),
        (b"margin", b'"5"'),
        (b"margin", b"NaN"),
        (b"margin", b"Infinity"),
        (b"margin", b"1e999"),
        (b"margin", b"9" * 1000),
        (b"margin", b"null"),
        (b"margin", b"true"),
        (b"margin", b"[1]"),
        (b"margin", b"\0"),
        (b"crop", b"maybe"),
        (b"crop", b"null"),
        (b"crop", b"1"),
        (b"crop", b"yes"),
        (b"crop", b"True"),
        (b"subject", b'"none"'),
        (b"subject", b"\xff"),
        (b"subject", b"\xed\xa0\x80"),
        (b"subject", b'"\\ud800"'),
        (b"subject", b"[" * 1000),
        (b"subject", b'{"a": 1, "a": 2}'),
        (b"format", b"png\0"),
        (b"background", b"red"),
        (b"background", b"#fff\n"),
    )
}


@pytest.mark.parametrize("body", BROKEN_FORMS.values(), ids=BROKEN_FORMS)
def test_broken_forms(service: Server, body: bytes) -> None:
    assert_error(post_form(service, body), 400, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b"multipart/form-data; boundary*=utf-8''x",
        b"multipart/form-data; boundary=" + b"x" * 10_000,
        b"multipart/form-data; boundary=\xff\xfe",
        b"multipart/form-data; boundary=y; boundary=x, text/plain",
        b"multipart/form-data; boundary=x; charset=undefined",
    ],
)
def test_forms_without_their_boundary(service: Server, content_type: bytes) -> None:
    assert_error(post_form(service, part() + END, content_type), 400, "invalid_request")


ODD_FORMS: dict[str, bytes] = {
    "as it should be": part() + END,
    "no line after the end": part() + END[:-2],
    "an epilogue of megabytes": part() + END + b"x" * 5_000_000,
    "a boundary that is nearly reached": part(body=b"<svg/>" + b"\r\n--y\r\n--" * 100_000) + END,
    "a path for a file name": part(FILE[:-2] + b'../../etc/passwd"') + END,
    "a NUL in the file name": part(FILE[:-1] + b'\0.png"') + END,
    "no file name": part(FILE[:-2] + b'"') + END,
    "a file name in invalid UTF-8": part(FILE[:-1] + b'\xff"') + END,
    "a file name without its quote": part(FILE[:-1]) + END,
    "base64 that is none": part(FILE + b"\r\nContent-Transfer-Encoding: base64") + END,
    "an unknown transfer encoding": part(FILE + b"\r\nContent-Transfer-Encoding: x-y") + END,
    "a media type that lies": part(FILE + b"\r\nContent-Type: image/png") + END,
    "JSON in its fields": part(named(b"subject"), b'"all"')
    + part()
    + part(named(b"background"), b"null")
    + END,
}


@pytest.mark.parametrize("body", ODD_FORMS.values(), ids=ODD_FORMS)
def test_odd_forms_are_understood(service: Server, body: bytes) -> None:
    assert_error(post_form(service, body), 422, "unsupported_image_type")


@pytest.mark.parametrize(
    "charset",
    [b"utf-16", b"utf-7", b"punycode", b"idna", b"rot13", b"zlib_codec", b"\xff", b"none"],
)
def test_a_charset_is_no_way_to_keep_the_service_busy(service: Server, charset: bytes) -> None:
    """Python's slow codecs get little to decode: half a minute for a megabyte of punycode would stop everybody."""
    content_type = b"multipart/form-data; boundary=x; charset=" + charset
    slow = b"a" * 500_000 + b"-" + b"9" * 500_000
    response = post_form(service, part(named(b"subject"), slow) + part() + END, content_type)
    assert_error(response, 400, "invalid_request")
    assert response.elapsed.total_seconds() < 5


def test_a_url_is_never_fetched_for_a_file(service: Server, source: Source) -> None:
    asked = len(source.requests)
    url = source.url("/photo.jpg").encode()
    assert_error(post_form(service, part(named(b"image"), url) + END), 400, "invalid_request")
    assert_error(post_form(service, part(FILE, url) + END), 422, "unsupported_image_type")
    assert_error(
        post_form(service, part(FILE + b"\r\nContent-Location: " + url, b"") + END),
        422,
        "empty_source",
    )
    assert len(source.requests) == asked


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "image/png",
        "multipart/mixed; boundary=x",
        "",
    ],
)
def test_media_types_of_a_form(service: Server, media_type: str) -> None:
    assert_error(
        post_form(service, part() + END, media_type.encode()), 415, "unsupported_media_type"
    )


# Bodies: their length and their end


@pytest.mark.parametrize(
    ("path", "size"),
    [(URL, 65_537), (URL, 10**12), (URL, 10**20 - 1), (UPLOAD, 20_065_537), (UPLOAD, 10**12)],
)
def test_a_length_over_the_limit_is_refused_unread(service: Server, path: str, size: int) -> None:
    refused = say(
        service, head(AS_JSON, length(size), b"Expect: 100-continue", target=path.encode())
    )
    assert_error(refused, 413, "request_too_large")
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(("path", "size"), [(URL, 65_537), (UPLOAD, 20_100_000)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_bodies_over_the_limit(service: Server, path: str, size: int, is_chunked: bool) -> None:
    content_type = "application/json" if path == URL else "multipart/form-data; boundary=x"
    body = part(body=bytes(size)) + END if path == UPLOAD else b" " * size
    content = (
        iter(body[start : start + 65_536] for start in range(0, len(body), 65_536))
        if is_chunked
        else body
    )
    response = httpx.post(
        service.url + path, content=content, headers={"content-type": content_type}, trust_env=False
    )
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
        assert_error(answer(connection), 413, "request_too_large")
    assert sent < 100_000_000


def test_a_file_over_the_limit(service: Server) -> None:
    assert_error(service.upload(b"\xff\xd8\xff" + b"\0" * 20_000_000), 413, "request_too_large")


def test_a_length_that_is_too_short_ends_the_body(service: Server) -> None:
    understood, refused = answers(
        service, head(AS_JSON, length(len(REFUSED))) + REFUSED + b"more\r\n\r\n", "POST", "POST"
    )
    assert_error(understood, 400, "url_not_allowed")
    assert (refused.status_code, refused.text) == (
        400,
        NO_HTTP,
    )  # what follows is read as the next request, and is none
    assert_error(say(service, head(AS_JSON, length(5)) + REFUSED), 400, "invalid_request")


def test_a_length_that_is_given_twice_and_agrees(service: Server) -> None:
    size = length(len(REFUSED))
    assert_error(say(service, head(AS_JSON, size, size) + REFUSED), 400, "url_not_allowed")


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
def test_lengths_that_are_none(service: Server, headers: list[bytes]) -> None:
    refused = say(service, head(AS_JSON, *headers) + REFUSED)
    assert (refused.status_code, refused.text) == (400, NO_HTTP)


CHUNKS: dict[str, bytes] = {
    "no size": b"x\r\n",
    "a size below zero": b"-1\r\n",
    "a size of 100 digits": b"f" * 100 + b"\r\n",
    "no line end": b"5\r\nhelloXX",
    "an extension without end": b"5;" + b"x" * 70_000,
    "trailers without end": b"1\r\nx\r\n0\r\n" + b"X: y\r\n" * 12_000,
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS)
def test_broken_chunks(service: Server, body: bytes) -> None:
    refused = say(service, head(AS_JSON, CHUNKED), body)
    assert (refused.status_code, refused.text) == (400, NO_HTTP)


def test_chunks_that_are_whole(service: Server) -> None:
    chunks = b"".join(
        b"1;why=not\r\n" + REFUSED[at : at + 1] + b"\r\n" for at in range(len(REFUSED))
    )
    assert_error(
        say(service, head(AS_JSON, CHUNKED), chunks, b"0\r\nX-More: y\r\n\r\n"),
        400,
        "url_not_allowed",
    )
    # Both a length and chunks: the chunks count, as RFC 9112 has it, so that no length can hide a second request.
    assert_error(
        say(service, head(AS_JSON, length(5), CHUNKED), chunks, b"0\r\n\r\n"),
        400,
        "url_not_allowed",
    )


@pytest.mark.parametrize(
    ("path", "content_type", "start"),
    [
        (URL, AS_JSON, b""),
        (URL, AS_JSON, b"{"),
        (UPLOAD, AS_FORM, b""),
        (UPLOAD, AS_FORM, b"--x\r"),
    ],
)
def test_slow_bodies_end_at_the_deadline(
    hasty: Server, path: str, content_type: bytes, start: bytes
) -> None:
    with hasty.connect() as connection:
        connection.sendall(head(content_type, length(100), target=path.encode()) + start)
        late = answer(connection)
        assert_error(late, 504, "deadline_exceeded")
        assert late.headers["connection"] == "close"
        assert connection.recv(1) == b""
    assert hasty.get("/health").status_code == 200


def test_a_body_byte_by_byte_ends_at_the_deadline(hasty: Server) -> None:
    with hasty.connect() as connection:
        connection.sendall(head(AS_JSON, length(60_000)))
        connection.settimeout(0.05)
        late = b""
        while not late:
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                late = connection.recv(65_536)
    assert b" 504 " in late


# HTTP


def test_expect_100_continue(service: Server) -> None:
    with service.connect() as connection:
        connection.sendall(head(AS_JSON, length(len(REFUSED)), b"Expect: 100-continue"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(REFUSED)
        assert_error(answer(connection), 400, "url_not_allowed")
    assert_error(
        say(service, head(AS_JSON, length(len(REFUSED)), b"Expect: more") + REFUSED),
        400,
        "url_not_allowed",
    )


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.9"])
def test_other_versions(service: Server, version: bytes) -> None:
    assert_error(
        say(service, head(AS_JSON, length(len(REFUSED)), version=version) + REFUSED),
        400,
        "url_not_allowed",
    )


def test_pipelined_requests_are_answered_in_their_order(service: Server) -> None:
    request = head(AS_JSON, length(len(REFUSED))) + REFUSED
    last = head(b"Connection: close", length(0), target=b"/nothing")
    first, second, third, fourth = answers(
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
def test_other_methods(service: Server, path: str, method: str) -> None:
    refused = say(
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
    asked, health = answers(
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
        # RFC 9112 would have the absolute form understood; uvicorn takes it for a path. No proxy sends it to what is no proxy.
        b"http://service/health",
        b"http://10.0.0.1/",
    ],
)
def test_paths_that_are_none(service: Server, target: bytes) -> None:
    assert_error(say(service, head(method=b"GET", target=target), method="GET"), 404, "not_found")


def test_connect_is_no_proxy(service: Server) -> None:
    assert_error(say(service, head(method=b"CONNECT", target=b"10.0.0.1:80")), 404, "not_found")


@pytest.mark.parametrize("span", ["bytes=5-1", "bytes=x", "bytes=999999-", "bytes=-0", "lines=1-2"])
def test_ranges(service: Server, span: str) -> None:
    """Swagger UI's files are served by ranges; the page, which is small, is always whole."""
    static = httpx.get(
        service.url + "/static_content/swagger-ui.css", headers={"range": span}, trust_env=False
    )
    assert_error(static, 400, "invalid_request")
    assert (
        httpx.get(service.url + "/", headers={"range": span}, trust_env=False).content
        == service.get("/").content
    )


ODD_HEADERS: dict[str, list[bytes]] = {
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


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_odd_headers_change_nothing(service: Server, headers: list[bytes]) -> None:
    request = head(AS_JSON, length(len(REFUSED)), *headers) + REFUSED
    assert_error(say(service, request), 400, "url_not_allowed")


@pytest.mark.parametrize("host", [b"", b"[::1", b"a b/c@d:99999", b"x" * 30_000, b"\xff"])
def test_a_bad_host_changes_nothing(service: Server, host: bytes) -> None:
    request = (
        head(AS_JSON, length(len(REFUSED))).replace(b"Host: service", b"Host: " + host) + REFUSED
    )
    assert_error(say(service, request), 400, "url_not_allowed")


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
def test_broken_http(service: Server, request_bytes: bytes) -> None:
    refused = say(service, request_bytes, method="GET")
    assert (refused.status_code, refused.text) == (400, NO_HTTP)
    assert refused.headers["connection"] == "close"


def test_http_2_without_tls(service: Server) -> None:
    """Its preface reads as a request for nothing, and then as no HTTP."""
    nothing, refused = answers(service, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET", "GET")
    assert_error(nothing, 404, "not_found")
    assert (refused.status_code, refused.text) == (400, NO_HTTP)


def test_web_sockets_are_refused(service: Server) -> None:
    """By BentoML and uvicorn: the handshake is no request of ours."""
    key = b"Sec-WebSocket-Key: " + b"A" * 22 + b"=="
    upgrade = head(
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        key,
        method=b"GET",
    )
    assert say(service, upgrade, method="GET").status_code == 403


def test_a_refusal_reaches_a_caller_who_is_still_sending() -> None:
    """To close with unread bytes would reset the connection, and the answer could be lost."""
    body = bytes(8_000_000)
    head = b"POST /remove-background/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with serve(BGR_API_KEYS="a-key") as server:
        for _ in range(20):
            with server.connect(timeout=5) as connection:
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                answer = b"".join(iter(lambda: connection.recv(65_536), b""))
                assert b" 401 " in answer
                assert answer.endswith(b"}")


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
def test_so_does_an_answer_before_a_close_that_the_caller_asked_for(
    service: Server, target: bytes, media_type: bytes, status: int, code: str, version: bytes
) -> None:
    """A proxy asks for it, nginx by default; then the server closes after any answer, also after one that needed no body."""
    request = head(
        b"Connection: close", media_type, length(8_000_000), target=target, version=version
    ) + bytes(8_000_000)
    assert_error(answers(service, request, "POST")[0], status, code)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "C:\\x", "\0", "a" * 4000, "ключ.jpg", "%00", "x.svg", "http://10.0.0.1/"],
)
def test_the_files_name_and_declared_type_mean_nothing(
    service: Server, photo: bytes, name: str
) -> None:
    head = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\nContent-Type: text/html\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    content = head.encode() + photo + b"\r\n--b--\r\n"
    response = httpx.post(
        f"{service.url}/remove-background/upload",
        content=content,
        headers=headers,
        trust_env=False,
        timeout=30,
    )
    assert response.status_code == 200
