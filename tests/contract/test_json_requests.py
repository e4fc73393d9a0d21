"""Invalid and unusual JSON bodies get the contract's errors, and leave the service unharmed."""

import json
from typing import Any

import httpx
import pytest

from tests.support.raw_http import FIELDS, REFUSED
from tests.support.serving import URL, Server, assert_error

pytestmark = pytest.mark.usefixtures("unharmed")


def post_json(server: Server, body: bytes, *headers: tuple[str, str]) -> httpx.Response:
    """POST bytes as JSON, or with other headers."""
    sent = headers or (("content-type", "application/json"),)
    return server.request("POST", URL, content=body, headers=list(sent))


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

INVALID_JSON: dict[str, bytes] = {
    "nothing": b"",
    "an array": b"[]",
    "a number": b"5",
    "null": b"null",
    "a string": b'"x"',
    "an open brace": b"{",
    "two objects": REFUSED * 2,
    "a trailing comma": FIELDS + b"}",
    "a comment": REFUSED + b" // please",
    "single quotes": b"{'image_url': 'http://10.0.0.1/'}",
    "a form": b"image_url=http%3A%2F%2F10.0.0.1%2F",
    "a key twice": FIELDS + b'"image_url": "http://10.0.0.1/"}',
    "a key twice in two spellings": FIELDS + b'"\\u0069mage_url": "http://10.0.0.2/"}',
    "an option twice": FIELDS + b'"margin": 1, "margin": 2}',
    "a nested key twice": FIELDS + b'"margin": {"a": 1, "a": 2}}',
    "NaN": FIELDS + b'"margin": NaN}',
    "Infinity": FIELDS + b'"margin": Infinity}',
    "-Infinity": FIELDS + b'"margin": -Infinity}',
    "a large exponent": FIELDS + b'"margin": 1e400}',
    "a larger exponent": FIELDS + b'"margin": 1e999999999}',
    "5,000 digits": FIELDS + b'"margin": ' + b"9" * 5000 + b"}",
    "60,000 digits": FIELDS + b'"margin": ' + b"9" * 60_000 + b"}",
    "60,000 decimals": FIELDS + b'"margin": 1.5' + b"9" * 60_000 + b"}",
    "a leading zero": FIELDS + b'"margin": 01}',
    "deep arrays": b"[" * 30_000,
    "deep arrays, closed": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep arrays in an option": FIELDS + b'"margin": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
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


BODIES = {json.dumps(body)[:60]: json.dumps(body).encode() for body in INVALID} | INVALID_JSON


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_invalid_json_and_invalid_options_are_invalid_requests(
    service: Server, body: bytes
) -> None:
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
def test_unusual_but_valid_json_is_understood(service: Server, body: bytes) -> None:
    assert_error(post_json(service, body), 400, "url_not_allowed")


def test_a_repeated_key_is_named_in_the_error(service: Server) -> None:
    response = post_json(service, INVALID_JSON["a key twice"])
    assert "twice" in assert_error(response, 400, "invalid_request")["error"]


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
def test_other_media_types_and_encodings_are_unsupported(
    service: Server, headers: list[tuple[str, str]]
) -> None:
    assert_error(post_json(service, REFUSED, *headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;", ""]
)
def test_every_spelling_of_the_media_type_is_accepted(service: Server, content_type: str) -> None:
    assert_error(
        post_json(service, REFUSED, ("content-type", content_type)), 400, "url_not_allowed"
    )
