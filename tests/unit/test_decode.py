"""Files of every format: decoded, oriented, limited by their header, or refused."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.errors import EmptySource, ImageCorrupt, ImageTooLarge, UnsupportedImageType
from pipeline.image.decode import decode
from tests.support.images import BLUE, MAX_PIXELS, RED, encoded, quadrants

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
TRUNCATABLE = ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF"]
ANIMATED = ["GIF", "WEBP", "PNG", "TIFF", "AVIF"]


def difference(image: Image.Image, expected: Image.Image) -> float:
    """Return the mean absolute difference of two images of the same size."""
    assert image.size == expected.size
    return float(np.abs(np.asarray(image).astype(int) - np.asarray(expected)).mean())


@pytest.mark.parametrize("kind", FORMATS)
def test_every_accepted_format_is_decoded(kind: str) -> None:
    image = decode(encoded(quadrants(), kind), MAX_PIXELS)
    assert image.rgb().mode == "RGB"
    assert image.alpha is None
    # Lossy formats mix the colors where the quadrants meet.
    assert difference(image.rgb(), quadrants()) < (12 if kind in ("JPEG", "WEBP", "AVIF") else 1)


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "JPEG2000", "PDF", "DDS"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedImageType):
        decode(encoded(quadrants(), kind), MAX_PIXELS)


@pytest.mark.parametrize(
    "data",
    [b"x", b"<svg/>", b"<!DOCTYPE html>", b"\0" * 100, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedImageType):
        decode(data, MAX_PIXELS)


@pytest.mark.parametrize("data", [b"\xff\x0a\xfa\x1f", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_refused_by_its_name(data: bytes) -> None:
    with pytest.raises(UnsupportedImageType, match=r"is JPEG XL, which .* send JPEG, PNG"):
        decode(data, MAX_PIXELS)


def test_an_empty_source_has_its_own_error() -> None:
    with pytest.raises(EmptySource):
        decode(b"", MAX_PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = quadrants()
    upright.getexif()[0x0112] = orientation
    expected = ImageOps.exif_transpose(upright)
    assert expected is not None
    decoded = decode(encoded(quadrants(), kind, exif=exif), MAX_PIXELS).rgb()
    assert difference(decoded, expected) < (12 if kind in ("JPEG", "WEBP") else 1)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_ignored(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    decoded = decode(encoded(quadrants(), exif=exif), MAX_PIXELS)
    assert decoded.rgb().tobytes() == quadrants().tobytes()


def test_the_orientation_is_applied_to_alpha() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored image is to be rotated clockwise
    image = quadrants()
    image.putalpha(Image.linear_gradient("L").resize((40, 20)))
    alpha = decode(encoded(image, exif=exif), MAX_PIXELS).alpha
    assert alpha is not None
    assert alpha.tobytes() == image.getchannel("A").transpose(Image.Transpose.ROTATE_270).tobytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_pixel_limit_is_checked_on_the_header(kind: str) -> None:
    data = encoded(quadrants(), kind)
    assert decode(data, 800).size == (40, 20)
    with pytest.raises(ImageTooLarge):
        decode(data, 799)


def test_a_side_may_have_65535_pixels() -> None:
    """More would not fit into a strip of one row."""
    assert decode(encoded(Image.new("1", (65_535, 1))), MAX_PIXELS).size == (65_535, 1)
    for size in ((65_536, 1), (1, 65_536)):
        with pytest.raises(ImageTooLarge, match="65,535 pixels on a side"):
            decode(encoded(Image.new("1", size)), MAX_PIXELS)


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_is_refused_before_its_canvas_is_allocated(kind: bytes) -> None:
    dimensions = {
        b"VP8X": b"\0" * 4 + (16382).to_bytes(3, "little") * 2,
        b"VP8L": b"\x2f" + struct.pack("<I", 16382 | 16382 << 14),
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383),
    }[kind]
    with pytest.raises(ImageTooLarge):
        decode(b"RIFF\x40\0\0\0WEBP" + kind + b"\x40\0\0\0" + dimensions + b"\0" * 40, MAX_PIXELS)
    with pytest.raises(ImageCorrupt):
        decode(b"RIFF\x40\0\0\0WEBP" + kind, MAX_PIXELS)


@pytest.mark.parametrize("kind", TRUNCATABLE)
def test_a_truncated_file_is_corrupt(kind: str, photo: bytes) -> None:
    whole = encoded(Image.open(io.BytesIO(photo)).resize((200, 200)), kind)
    assert decode(whole, MAX_PIXELS).size == (200, 200)
    with pytest.raises(ImageCorrupt):
        decode(whole[: len(whole) * 2 // 3], MAX_PIXELS)


@pytest.mark.parametrize("kind", ANIMATED)
def test_only_the_first_frame_is_decoded(kind: str) -> None:
    frames = [Image.new("RGB", (40, 20), color) for color in (RED, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as animation:
        assert getattr(animation, "n_frames", 1) == 2
    assert difference(decode(data, MAX_PIXELS).rgb(), frames[0]) < 3
