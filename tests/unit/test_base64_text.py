"""Base64 in pieces becomes the bytes it encodes, or an error."""

import base64
import tracemalloc
from urllib.parse import quote

import pytest

from pipeline.errors import ImageCorrupt, SourceTooLarge
from serving.removebg.base64_text import Base64Image, PercentDecoder

DATA = bytes(range(256)) * 3  # every character of the alphabet
TEXT = base64.b64encode(DATA)


def decoded(text: bytes, piece: int = 1 << 20, max_bytes: int = 10_000) -> bytes:
    image = Base64Image(max_bytes)
    for start in range(0, len(text), piece):
        image.write(text[start : start + piece])
    return image.read()


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        base64.urlsafe_b64encode(DATA),
        base64.encodebytes(DATA),
        b"\r\n " + TEXT + b"\n",
        b"data:image/png;base64," + TEXT,
        b"data:;base64," + TEXT,
    ],
    ids=["plain", "URL-safe", "lines", "whitespace around", "data URL", "data URL without a type"],
)
def test_every_spelling_is_decoded_whatever_the_pieces(text: bytes, piece: int) -> None:
    assert decoded(text, piece) == DATA


@pytest.mark.parametrize("size", range(7))
def test_padding_may_be_missing(size: int) -> None:
    assert decoded(base64.b64encode(DATA[:size]).rstrip(b"="), 1) == DATA[:size]


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AAAAA",
        b"AA*A",
        b"AA==AAAA",
        b"AA=A",
        b"data:image/png",
        b"data:" + b"x" * 300,
        b"da",
    ],
)
@pytest.mark.parametrize("piece", [1, 1000])
def test_anything_else_is_refused(text: bytes, piece: int) -> None:
    with pytest.raises(ImageCorrupt):
        decoded(text, piece)


def test_an_image_over_its_limit_is_refused_as_it_arrives() -> None:
    assert len(decoded(TEXT, max_bytes=len(DATA))) == len(DATA)
    image = Base64Image(len(DATA) - 1)
    with pytest.raises(SourceTooLarge):
        image.write(TEXT)


def test_neither_the_text_nor_a_copy_of_the_image_is_kept() -> None:
    text = base64.b64encode(bytes(64 * 1024))
    tracemalloc.start()
    image = Base64Image(10_000_000)
    for _ in range(100):
        image.write(text.rstrip(b"=")[:-2])
    content = image.read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.2 * len(content) + 1_000_000


@pytest.mark.parametrize("piece", [1, 2, 1000])
@pytest.mark.parametrize("text", [quote(TEXT, safe=""), TEXT.decode()])
def test_percent_encoding_is_removed_and_a_bare_plus_stays(text: str, piece: int) -> None:
    image = Base64Image(10_000)
    decoder = PercentDecoder(image)
    for start in range(0, len(text), piece):
        decoder.write(text[start : start + piece].encode())
    assert image.read() == DATA
