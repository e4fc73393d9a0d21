"""Bodies of three content types become the same fields and images."""

import base64
import json
from urllib.parse import urlencode

import pytest

from pipeline.errors import BackgroundRemovalError, ImageCorrupt, SourceTooLarge
from serving.errors import InvalidRequest, UnsupportedMediaType
from serving.removebg.body import Body, body_limit, read_body
from tests.unit.asgi import request

IMAGE = bytes(range(256)) * 4
TEXT = base64.b64encode(IMAGE).decode()
FORM, JSON, URLENCODED = (
    b"multipart/form-data; boundary=b",
    b"application/json",
    b"application/x-www-form-urlencoded",
)


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    """Return a part of a form."""
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + value + b"\r\n"


async def read(content_type: bytes | None, body: bytes, max_bytes: int = 5000) -> Body:
    """Read a body that comes in pieces of 100 bytes."""
    pieces = [body[start : start + 100] for start in range(0, len(body), 100)] or [b""]
    return await read_body(request(content_type, *pieces), max_bytes)


async def read_form(*parts: bytes, max_bytes: int = 5000) -> Body:
    return await read(FORM, b"".join(parts) + b"--b--\r\n", max_bytes)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, json.dumps({"image_file_b64": TEXT, "crop": True}).encode()),
        (JSON, json.dumps({"crop": True, "image_file_b64": TEXT}).replace("/", r"\/").encode()),
        (
            JSON,
            json.dumps({"crop": True, "image_file_b64": TEXT}).replace("e_", r"e\u005f").encode(),
        ),
        (URLENCODED, urlencode({"image_file_b64": TEXT, "crop": "True"}).encode()),
        (URLENCODED, f"crop=True&image_file_b64=data:image/png;base64,{TEXT}".encode()),
        (FORM, part("image_file_b64", TEXT.encode()) + part("crop", b"True") + b"--b--\r\n"),
    ],
)
async def test_base64_is_decoded_in_every_content_type(content_type: bytes, body: bytes) -> None:
    found = await read(content_type, body)
    assert (found.image, found.sources) == (IMAGE, ["image_file_b64"])
    assert str(found.fields.pop("crop")) == "True"
    assert found.fields == {}


@pytest.mark.parametrize("filename", ["blob", "photo.png", ""])
async def test_a_file_is_read_whatever_its_name(filename: str) -> None:
    found = await read_form(
        part("image_file", IMAGE, filename),
        part("bg_image_file", b"a background", "b"),
        part("size", b"full"),
    )
    assert (found.image, found.backdrop) == (IMAGE, b"a background")
    assert (found.sources, found.fields) == (["image_file"], {"size": "full"})


async def test_a_file_without_a_name_is_a_file_too() -> None:
    found = await read_form(part("image_file", IMAGE), part("bg_image_file", b"a background"))
    assert (found.image, found.backdrop) == (IMAGE, b"a background")
    assert (found.sources, found.fields) == (["image_file"], {})
    with pytest.raises(SourceTooLarge):
        await read_form(part("image_file", IMAGE), max_bytes=len(IMAGE) - 1)


async def test_what_is_empty_is_absent() -> None:
    found = await read_form(
        part("image_file", b"", ""), part("image_url", b"http://a.com/x"), part("roi", b"")
    )
    assert found == Body({"image_url": "http://a.com/x"}, sources=["image_url"])
    found = await read(JSON, b'{"image_file_b64": "", "roi": null, "image_url": ""}')
    assert found == Body({})
    assert await read(None, b"") == Body({})
    assert await read(JSON, b"{}") == Body({})


async def test_an_empty_file_with_a_name_is_a_source() -> None:
    assert (await read_form(part("image_file", b"", "a.png"))).image == b""


async def test_every_source_is_named() -> None:
    found = await read_form(
        part("image_file", IMAGE, "a"), part("image_file_b64", b"AAAA"), part("image_url", b"x")
    )
    assert sorted(found.sources) == ["image_file", "image_file_b64", "image_url"]


@pytest.mark.parametrize(
    ("content_type", "body", "error"),
    [
        (b"text/plain", b"{}", UnsupportedMediaType),
        (None, b"{}", UnsupportedMediaType),
        (JSON, b"[]", InvalidRequest),
        (JSON, b"{", InvalidRequest),
        (JSON, b"\xff", InvalidRequest),
        (JSON, b'{"image_file_b64": 5}', InvalidRequest),
        (JSON, b'{"a": 1, "a": 2}', InvalidRequest),
        (JSON, b'{"a": "' + b"x" * 70_000 + b'"}', InvalidRequest),
        (JSON, b'{"image_file_b64": "****"}', ImageCorrupt),
        (URLENCODED, b"a=1&a=2", InvalidRequest),
        (URLENCODED, b"a=" + b"x" * 17_000, InvalidRequest),
        (URLENCODED, b"&".join(b"a%d=1" % n for n in range(70)), InvalidRequest),
        (b"multipart/form-data", b"", InvalidRequest),
        (FORM, part("a", b"1") + part("a", b"2") + b"--b--\r\n", InvalidRequest),
        (FORM, part("roi", b"1", "file") + b"--b--\r\n", InvalidRequest),
        (FORM, part("a", b"x" * 17_000) + b"--b--\r\n", InvalidRequest),
    ],
)
async def test_a_broken_body_is_refused(
    content_type: bytes | None, body: bytes, error: type[BackgroundRemovalError]
) -> None:
    with pytest.raises(error):
        await read(content_type, body)


async def test_the_images_share_one_limit() -> None:
    parts = part("image_file", IMAGE, "a"), part("bg_image_file", IMAGE, "b")
    assert (await read_form(*parts, max_bytes=2 * len(IMAGE))).backdrop == IMAGE
    with pytest.raises(SourceTooLarge):
        await read_form(*parts, max_bytes=2 * len(IMAGE) - 1)
    with pytest.raises(SourceTooLarge):
        await read_form(part("image_file_b64", TEXT.encode()), max_bytes=len(IMAGE) - 1)


def test_a_source_of_the_usual_limit_fits_in_every_spelling() -> None:
    text = base64.encodebytes(bytes(range(256)) * 400)
    form = urlencode({"image_file_b64": text.decode()})
    assert len(form) < body_limit(256 * 400)
