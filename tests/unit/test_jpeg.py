"""The memory that a JPEG takes."""

import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageCorrupt
from pipeline.image.decode import decode
from pipeline.image.headers.jpeg import keeps_coefficients
from tests.support.images import MAX_PIXELS, encoded, quadrants


def segments(data: bytes) -> dict[int, bytes]:
    """Markers and contents up to the first scan, whose content goes on to the file's end."""
    at = 2
    found: dict[int, bytes] = {}
    while data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        found.setdefault(data[at + 1], b"")
        found[data[at + 1]] += data[at : at + 2 + length]
        at += 2 + length
    return {**found, 0xDA: data[at:-2]}


def in_scans(image: Image.Image, repeated: int = 1) -> bytes:
    """A baseline JPEG of RGB whose components come one after the other, which Pillow does not write."""
    channels = [segments(encoded(channel, "JPEG")) for channel in image.split()]
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, image.height, image.width, 3)
    frame += b"".join(bytes([number, 0x11, 0]) for number in b"RGB")
    scans = [
        b"\xff\xda\0\x08\x01" + bytes([number]) + channel[0xDA][6:]
        for number, channel in zip(b"RGB", channels, strict=True)
    ]
    return (
        b"\xff\xd8"
        + channels[0][0xDB]
        + frame
        + channels[0][0xC4]
        + b"".join(scans * repeated)
        + b"\xff\xd9"
    )


def test_components_in_scans_of_their_own_keep_all_coefficients() -> None:
    data = in_scans(quadrants().resize((400, 200)))
    asked: list[int] = []
    decoded = np.asarray(decode(data, MAX_PIXELS, asked.append).rgb())
    assert np.abs(decoded[20, 20].astype(int) - (255, 0, 0)).max() < 40
    assert asked == [80_000 * 10]


def test_scans_without_end() -> None:
    with pytest.raises(ImageCorrupt):
        decode(in_scans(quadrants(), repeated=40), MAX_PIXELS)


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"restart_marker_blocks": 1})],
)
def test_one_scan_keeps_none(mode: str, options: dict[str, object]) -> None:
    data = encoded(quadrants().convert(mode), "JPEG", **options)
    assert not keeps_coefficients(data)
    assert not keeps_coefficients(data[:2] + b"\xff" * 9 + data[2:])  # fill bytes before a segment
    assert keeps_coefficients(encoded(quadrants().convert(mode), "JPEG", progressive=True))


def test_what_is_no_sequence_of_segments() -> None:
    data = encoded(quadrants(), "JPEG")
    comments = b"\xff\xfe\0\2" * 5_000
    for start in (b"xx", b"\xff\xd0", comments):
        assert keeps_coefficients(data[:2] + start + data[2:])
    assert keeps_coefficients(data[:2])
    assert keeps_coefficients(data[:30])
