"""The sample in every variant of every format."""

import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageCms

from pipeline.weights import SAMPLE
from tests.support.color_files import (
    BT2020,
    P3,
    PQ,
    SRGB,
    SRGB_POINTS,
    avif_with,
    chrm,
    cicp,
    gama,
    png_with,
)
from tests.support.heif_files import coded, composed, grid, heic, overlay
from tests.support.image_parts import repair_checksums
from tests.support.images import encoded
from tests.support.multi_picture import multi_picture, ultra_hdr

Options = dict[str, Any]

_COMPRESSIONS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")


def variants() -> Iterator[bytes]:
    """Yield the sample in every variant that Pillow or libheif writes."""
    photo = Image.open(SAMPLE).resize((96, 72))
    clear = photo.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    deep = Image.frombytes(
        "I;16", photo.size, bytes(range(256)) * (2 * photo.width * photo.height // 256)
    )
    palette = photo.quantize(64)
    exif = Image.Exif()
    exif[0x0112] = 6
    tags: Options = {
        "exif": exif,
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    variants: list[tuple[str, list[Image.Image], list[Options]]] = [
        (
            "JPEG",
            [photo],
            [{}, {"progressive": True}, {"subsampling": "4:4:4", "restart_marker_blocks": 2}, tags],
        ),
        ("JPEG", [photo.convert("CMYK"), photo.convert("L")], [{"progressive": True}]),
        ("PNG", [photo, clear, deep, palette, photo.convert("LA"), photo.convert("1")], [{}]),
        ("PNG", [palette], [{"transparency": bytes(range(64))}]),
        ("PNG", [photo], [{"transparency": (0, 0, 0), **tags}, _animated(photo)]),
        ("WEBP", [photo, clear], [{"quality": 60}, {"lossless": True}, tags, _animated(clear)]),
        (
            "GIF",
            [palette],
            [{}, {"interlace": False}, {"transparency": 3}, {"disposal": 2, **_animated(palette)}],
        ),
        ("BMP", [photo, palette, photo.convert("1"), clear, photo.convert("L")], [{}]),
        (
            "TIFF",
            [photo],
            [
                {"compression": name, "tiffinfo": {278: 16}, **_animated(photo)}
                for name in _COMPRESSIONS
            ],
        ),
        (
            "TIFF",
            [clear, deep, palette, *map(photo.convert, ("CMYK", "LAB", "F", "YCbCr"))],
            [{"compression": "tiff_lzw", **tags}],
        ),
        ("TIFF", [photo.convert("1")], [{"compression": "group4"}]),
        ("TIFF", [photo], [{"big_tiff": True}]),
        (
            "AVIF",
            [photo],
            [{"subsampling": "4:4:4"}, {"speed": 10, **tags}, {"speed": 10, **_animated(photo)}],
        ),
        ("AVIF", [clear], [{"speed": 10}]),
    ]
    for kind, images, choices in variants:
        for image, options in itertools.product(images, choices):
            yield encoded(image, kind, **options)
    yield from _heics(photo, clear, tags)
    yield from _declared_colors(photo, clear)
    yield from _several_images(photo)
    yield _interlaced()


def _heics(photo: Image.Image, clear: Image.Image, tags: Options) -> Iterator[bytes]:
    """Yield HEIC files: 4:2:0 and 4:4:4, turned, with alpha, gray, in tiles, and on a canvas.

    Pillow alone writes none.
    """
    turned = photo.copy()
    turned.info.update(tags, exif=tags["exif"].tobytes())
    for image in (photo, turned, clear, photo.convert("L")):
        yield heic(image, quality=50)
    yield heic(photo, quality=50, chroma=444)
    tile = coded(photo)
    yield composed(grid((180, 72), [2, 3], 2), tile, tile)
    yield composed(overlay((96, 72), [2]), tile)


def _declared_colors(photo: Image.Image, clear: Image.Image) -> Iterator[bytes]:
    """Yield PNG and AVIF files that declare their color space by numbers."""
    yield png_with(photo, gama(100_000), chrm(SRGB_POINTS))
    yield png_with(photo.convert("L"), cicp(BT2020, PQ), gama(45_455))
    yield png_with(clear, cicp(P3, SRGB))
    yield avif_with(photo, BT2020, PQ)


def _several_images(photo: Image.Image) -> Iterator[bytes]:
    """Yield JPEG files with a second image."""
    base, other = encoded(photo, "JPEG"), encoded(photo.convert("L").resize((24, 18)), "JPEG")
    yield multi_picture(base, base)
    yield ultra_hdr(base, other)


def _animated(image: Image.Image) -> Options:
    """Return the options of an animation of three frames."""
    return {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]}


def _interlaced() -> bytes:
    """Return an interlaced gray PNG, 8 × 8: Pillow writes none. PNG, 3rd edition, 8.1."""
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    rows = b"".join(
        b"\0" + bytes(16 * x + y for x in range(left, 8, across))
        for left, top, across, down in passes
        for y in range(top, 8, down)
    )
    content = {
        b"IHDR": struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(body)) + name + body + bytes(4) for name, body in content.items()
    )
    data = bytearray(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    repair_checksums(data)
    return bytes(data)
