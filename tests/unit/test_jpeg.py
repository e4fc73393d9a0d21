"""How a JPEG must be decoded, from its segments."""

import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.decode import decode
from pipeline.image.headers.jpeg import can_be_reduced, has_few_scans, keeps_coefficients
from tests.support.images import MAX_PIXELS, RED, encoded, quadrants, records_into

BASELINE = encoded(quadrants(), "JPEG")
QUANTIZATION, HUFFMAN, SCAN = 0xDB, 0xC4, 0xDA


def segments(data: bytes) -> dict[int, bytes]:
    """Return the segments by their markers; the scan goes on to the end of the image."""
    at = 2
    found: dict[int, bytes] = {}
    while data[at + 1] != SCAN:
        (length,) = struct.unpack_from(">H", data, at + 2)
        found[data[at + 1]] = found.get(data[at + 1], b"") + data[at : at + 2 + length]
        at += 2 + length
    return {**found, SCAN: data[at:-2]}


def in_scans(image: Image.Image, repeated: int = 1) -> bytes:
    """Return a baseline JPEG with one scan for each of R, G and B, which Pillow does not write."""
    channels = [segments(encoded(channel, "JPEG")) for channel in image.split()]
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, image.height, image.width, 3)
    frame += b"".join(bytes([number, 0x11, 0]) for number in b"RGB")
    scans = [
        b"\xff\xda\0\x08\x01" + bytes([number]) + channel[SCAN][6:]
        for number, channel in zip(b"RGB", channels, strict=True)
    ]
    tables = channels[0][QUANTIZATION] + frame + channels[0][HUFFMAN]
    return b"\xff\xd8" + tables + b"".join(scans * repeated) + b"\xff\xd9"


def test_an_image_with_a_scan_for_each_component_keeps_them() -> None:
    data = in_scans(quadrants().resize((400, 200)))
    assert keeps_coefficients(data)
    announced: list[int] = []
    decoded = np.asarray(decode(data, MAX_PIXELS, records_into(announced)).rgb())
    assert np.abs(decoded[20, 20].astype(int) - RED).max() < 40
    assert announced == [80_000 * 10]


def test_an_image_of_more_than_100_scans_is_corrupt() -> None:
    assert decode(in_scans(quadrants(), repeated=30), MAX_PIXELS).size == (40, 20)
    with pytest.raises(ImageCorrupt):
        decode(in_scans(quadrants(), repeated=40), MAX_PIXELS)


MODES: list[tuple[str, dict[str, object]]] = [
    ("RGB", {}),
    ("L", {}),
    ("CMYK", {}),
    ("RGB", {"restart_marker_blocks": 1}),
]


@pytest.mark.parametrize(("mode", "options"), MODES)
def test_an_image_in_one_scan_keeps_none(mode: str, options: dict[str, object]) -> None:
    data = encoded(quadrants().convert(mode), "JPEG", **options)
    assert not keeps_coefficients(data)
    fill_bytes = b"\xff" * 9
    assert not keeps_coefficients(data[:2] + fill_bytes + data[2:])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_image_keeps_them(mode: str) -> None:
    assert keeps_coefficients(encoded(quadrants().convert(mode), "JPEG", progressive=True))


@pytest.mark.parametrize(
    "data",
    [
        BASELINE[:2] + b"xx" + BASELINE[2:],
        BASELINE[:2] + b"\xff\xd0" + BASELINE[2:],  # a restart marker before the frame
        BASELINE[:2] + b"\xff\xfe\0\2" * 5_000 + BASELINE[2:],  # too many comments
        BASELINE[:2],
        BASELINE[:30],
        b"",
    ],
)
def test_what_cannot_be_read_is_priced_as_the_more_expensive(data: bytes) -> None:
    assert keeps_coefficients(data)
    assert not can_be_reduced(data)


def test_a_scan_too_many_to_be_decoded_twice_is_noticed() -> None:
    assert has_few_scans(BASELINE)
    assert has_few_scans(encoded(quadrants(), "JPEG", progressive=True))
    scans = encoded(quadrants(), "JPEG").count(b"\xff\xda")
    assert has_few_scans(BASELINE + b"\xff\xda" * (30 - scans))
    assert not has_few_scans(BASELINE + b"\xff\xda" * (31 - scans))


def lossless(width: int, height: int) -> bytes:
    """Return a gray lossless JPEG, in which each sample is the one before it: a bit of 0 each."""
    frame = b"\xff\xc3" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0) + b"\1" + bytes(15) + b"\0"
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\1\0\1\0\0"
    return b"\xff\xd8" + frame + table + scan + bytes(width * height // 8 + 1) + b"\xff\xd9"


def test_a_lossless_image_is_decoded_in_full() -> None:
    """Its decoder ignores a reduced size, so that Pillow would take it for broken."""
    data = lossless(400, 200)
    assert not can_be_reduced(data)
    image = decode(data, MAX_PIXELS, choose_divisor=lambda size: 8)
    assert (image.size, image.reduction) == ((400, 200), None)
    assert image.rgb().getextrema() == ((128, 128),) * 3


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_an_image_in_blocks_can_be_reduced(mode: str, options: dict[str, object]) -> None:
    assert can_be_reduced(encoded(quadrants().convert(mode), "JPEG", **options))
    assert can_be_reduced(in_scans(quadrants()))


def test_4096_segments_are_read() -> None:
    comments = b"\xff\xfe\0\2" * 4_000
    assert not keeps_coefficients(BASELINE[:2] + comments + BASELINE[2:])
