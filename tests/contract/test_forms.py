"""Broken and unusual forms get the contract's errors, and leave the service unharmed."""

import httpx
import pytest

from tests.support.forms import CONTENT_TYPE, END, FILE, named, part
from tests.support.raw_http import REFUSED
from tests.support.serving import UPLOAD, Server, assert_error
from tests.support.source import Source

pytestmark = pytest.mark.usefixtures("unharmed")


def post_form(
    server: Server, body: bytes, content_type: bytes = CONTENT_TYPE.encode()
) -> httpx.Response:
    """POST bytes as a form."""
    return server.request("POST", UPLOAD, content=body, headers={b"content-type": content_type})


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
    "another file": part(FILE.replace(b"image", b"photo")) + END,
    "two files": part() + part() + END,
    "two files of two names": part() + part(FILE.replace(b"image", b"photo")) + END,
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
def test_broken_forms_are_invalid_requests(service: Server, body: bytes) -> None:
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
def test_forms_without_their_boundary_are_invalid_requests(
    service: Server, content_type: bytes
) -> None:
    assert_error(post_form(service, part() + END, content_type), 400, "invalid_request")


UNUSUAL_FORMS: dict[str, bytes] = {
    "a usual form": part() + END,
    "no line after the end": part() + END[:-2],
    "an epilogue of megabytes": part() + END + b"x" * 5_000_000,
    "near misses of the boundary": part(body=b"<svg/>" + b"\r\n--y\r\n--" * 100_000) + END,
    "a path as the file name": part(FILE[:-2] + b'../../etc/passwd"') + END,
    "a NUL in the file name": part(FILE[:-1] + b'\0.png"') + END,
    "no file name": part(FILE[:-2] + b'"') + END,
    "a file name in invalid UTF-8": part(FILE[:-1] + b'\xff"') + END,
    "a file name without its quote": part(FILE[:-1]) + END,
    "invalid base64": part(FILE + b"\r\nContent-Transfer-Encoding: base64") + END,
    "an unknown transfer encoding": part(FILE + b"\r\nContent-Transfer-Encoding: x-y") + END,
    "a wrong media type": part(FILE + b"\r\nContent-Type: image/png") + END,
    "JSON in its fields": part(named(b"subject"), b'"all"')
    + part()
    + part(named(b"background"), b"null")
    + END,
}


@pytest.mark.parametrize("body", UNUSUAL_FORMS.values(), ids=UNUSUAL_FORMS)
def test_unusual_but_valid_forms_are_understood(service: Server, body: bytes) -> None:
    assert_error(post_form(service, body), 422, "unsupported_image_type")


@pytest.mark.parametrize(
    "charset",
    [b"utf-16", b"utf-7", b"punycode", b"idna", b"rot13", b"zlib_codec", b"\xff", b"none"],
)
def test_slow_charsets_do_not_keep_the_service_busy(service: Server, charset: bytes) -> None:
    """A megabyte of punycode would take half a minute, and stop all other requests."""
    content_type = b"multipart/form-data; boundary=x; charset=" + charset
    slow = b"a" * 500_000 + b"-" + b"9" * 500_000
    response = post_form(service, part(named(b"subject"), slow) + part() + END, content_type)
    assert_error(response, 400, "invalid_request")
    assert response.elapsed.total_seconds() < 5


def test_a_url_in_a_form_is_never_fetched(service: Server, source: Source) -> None:
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
def test_other_media_types_are_unsupported(service: Server, media_type: str) -> None:
    assert_error(
        post_form(service, part() + END, media_type.encode()), 415, "unsupported_media_type"
    )


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "C:\\x", "\0", "a" * 4000, "ключ.jpg", "%00", "x.svg", "http://10.0.0.1/"],
)
def test_the_name_and_declared_type_of_a_file_are_ignored(
    service: Server, photo: bytes, name: str
) -> None:
    header = f'Content-Disposition: form-data; name="image"; filename="{name}"'.encode()
    form = part(header + b"\r\nContent-Type: text/html", photo) + END
    assert post_form(service, form).status_code == 200
