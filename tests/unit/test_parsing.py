"""Request bodies become images, URLs and options, or one sentence about the first fault."""

import json
import tracemalloc

import pytest
from starlette.requests import Request

from pipeline.errors import BackgroundRemovalError
from pipeline.options import Options
from serving.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from serving.parsing import URLRequest, parse_link, read_upload, read_url_request
from tests.unit.asgi import request

MB = 1_000_000
FORM = b"multipart/form-data; boundary=b"
END = b"--b--\r\n"
URL = "http://a.com/x"


def field(name: str, value: bytes, filename: str = "") -> bytes:
    """Return a part of a form."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    head = f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    return head + value + b"\r\n"


IMAGE = field("image", b"an image", "a.png")


async def posted(body: object) -> Options:
    """Read a JSON body."""
    return await read_url_request(request(b"application/json", json.dumps(body).encode()))


async def uploaded(*fields: bytes) -> tuple[bytes, Options]:
    """Read a form."""
    return await read_upload(request(FORM, *fields, END), MB)


async def test_a_json_body_may_come_in_parts() -> None:
    parts = b'{"image_url": "http://a.com/', b'x", "margin": 5}'
    fields = await read_url_request(request(b"application/json", *parts))
    assert (fields.image_url, fields.margin, fields.crop) == (URL, 5, True)


@pytest.mark.parametrize(
    "content_type", [None, b"application/json; charset=utf-8", b"Application/JSON"]
)
async def test_json_may_be_declared_or_not(content_type: bytes | None) -> None:
    body = json.dumps({"image_url": URL}).encode()
    assert (await read_url_request(request(content_type, body))).image_url == URL


async def test_an_integer_may_be_written_with_a_fraction_of_0() -> None:
    body = b'{"image_url": "http://a.com/x", "margin": 5.0}'
    assert (await read_url_request(request(b"application/json", body))).margin == 5


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "valid JSON"),
        (b"{", "valid JSON"),
        (b"\xff", "valid JSON"),
        (b"[" * 100_000, "valid JSON"),
        (b'{"image_url": NaN}', "valid JSON"),
        (b"[]", "a JSON object"),
        (b'{"image_url": "a", "image_url": "b"}', "the same key twice"),
        (b"{}", "image_url: Field required"),
        (b'{"image_url": 5}', "image_url: "),
        (b'{"image_url": "a", "margin": "5"}', "margin: "),
        (b'{"image_url": "a", "margin": 501}', "margin: "),
        (b'{"image_url": "a", "crops": true}', "A field is unknown; the options are subject, "),
    ],
)
async def test_a_wrong_json_body_is_invalid(body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await read_url_request(request(b"application/json", body))
    assert sentence in caught.value.message
    assert caught.value.__cause__ is None  # it would quote the body in the log


@pytest.mark.parametrize("value", ["http://secret.com/key", "#secret"])
async def test_a_sentence_never_quotes_a_value(value: str) -> None:
    for body in ({"image_url": [value]}, {"image_url": URL, "background": value}):
        with pytest.raises(InvalidRequest) as caught:
            await posted(body)
        assert value not in str(caught.value.body)


@pytest.mark.parametrize(
    "wrong",
    [
        request(b"text/plain", b"{}"),
        request(b"application/json", b"{}", content_encoding=b"gzip"),
    ],
)
async def test_another_media_type_or_coding_is_unsupported(wrong: Request) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read_url_request(wrong)
    with pytest.raises(UnsupportedMediaType):
        await read_upload(wrong, MB)


async def test_a_second_media_type_is_unsupported() -> None:
    twice = Request(
        {
            "type": "http",
            "headers": [(b"content-type", b"application/json"), (b"content-type", FORM)],
        }
    )
    with pytest.raises(UnsupportedMediaType, match="one content type"):
        await read_url_request(twice)


async def test_a_field_may_be_plain_or_json() -> None:
    expected = Options(subject="all", crop=False, margin=5, background="#fff")
    plain = {"subject": "all", "crop": "false", "margin": "5", "background": "#fff"}
    encoded = {"subject": '"all"', "crop": "false", "margin": "5", "background": '"#fff"'}
    for values in (plain, encoded):
        fields = [field(name, value.encode()) for name, value in values.items()]
        assert await uploaded(*fields, IMAGE) == (b"an image", expected)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ([b"no form"], "a valid form"),
        ([IMAGE, IMAGE], "a valid form"),  # two files
        ([], "image: a file is required"),
        ([field("image", b"http://a.com/x")], "image: a file is required"),
        ([IMAGE, field("margin", b"1"), field("margin", b"2")], "the same field twice"),
        ([IMAGE, field("crops", b"true")], "A field is unknown"),
        ([IMAGE, field("margin", b"-1")], "margin: "),
        ([IMAGE, field("subject", b"x" * 1_025)], "a valid form"),
        ([IMAGE, *[field(f"f{number}", b"") for number in range(33)]], "a valid form"),
    ],
)
async def test_a_wrong_form_is_invalid(fields: list[bytes], sentence: str) -> None:
    with pytest.raises(BackgroundRemovalError) as caught:
        await uploaded(*fields)
    assert caught.value.code == "invalid_request"
    assert sentence in caught.value.message


def upload(size: int) -> Request:
    """Return a form whose file has `size` bytes, in parts as a server passes them on."""
    head, _, tail = field("image", b"|", "a").partition(b"|")
    part = bytes(64_000)
    return request(FORM, head, *[part] * (size // len(part)), tail + END)


async def test_a_file_is_in_memory_once() -> None:
    """The memory budget counts it once."""
    form = upload(16 * MB)
    tracemalloc.start()
    try:
        image, _ = await read_upload(form, 20 * MB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(image) == 16 * MB
    assert peak < 1.25 * len(image) + MB


async def test_a_file_over_the_limit_is_too_large() -> None:
    image, _ = await read_upload(upload(640_000), 640_000)
    assert len(image) == 640_000
    with pytest.raises(RequestTooLarge, match="639,999 bytes"):
        await read_upload(upload(640_000), 639_999)


def test_the_values_of_a_link_are_those_of_a_form() -> None:
    parameters = {"image_url": "1", "margin": "5", "crop": "false", "subject": "all"}
    assert parse_link(parameters) == URLRequest(image_url="1", margin=5, crop=False, subject="all")
    for wrong in ({"margin": "5"}, {**parameters, "margin": "x"}, {**parameters, "more": "1"}):
        with pytest.raises(InvalidRequest):
            parse_link(wrong)
