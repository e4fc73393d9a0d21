"""Bytes -> Picture: the only file that opens images.

The format is detected from the first bytes, and the size is checked before a pixel is decoded. Whatever Pillow raises on a damaged
file becomes ImageCorrupt (see pillow_errors.py); what our own code raises leaves as it is, and is a defect. A large image stays as
its file holds it, see picture.py.
"""

import io
from collections.abc import Callable

from PIL import (
    AvifImagePlugin,  # noqa: F401  Pillow would import these at need, and one that fails, when memory is short, never again.
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from compat.pillow import drop_avif_decoder, limit_png_text, set_warnings
from pipeline.errors import EmptySource, ImageTooLarge, OutOfMemory, UnsupportedImageType
from pipeline.image.bytes_per_pixel import bytes_per_pixel
from pipeline.image.color import alpha_of, to_srgb
from pipeline.image.decoder_limits import BoundedFile
from pipeline.image.headers.jpeg import keeps_coefficients
from pipeline.image.headers.png_chunks import still_png
from pipeline.image.pillow_errors import pillow_errors
from pipeline.image.source_image import TURNS, Picture
from pipeline.image.strips import SERIAL, Strips
from pipeline.image.webp import decode_webp, read_canvas_size

# Pillow checks `Image.MAX_IMAGE_PIXELS` before it opens a file's first frame: that is in time for a GIF, whose frame it fills with
# the background then. It warns, unless told to raise.
set_warnings()

# A PNG's texts are unpacked when it is opened, and are not used: 60 KB may hold 64 MB of them.
limit_png_text(4 << 20)

# What a JPEG or a GIF can have. A row of a million pixels would not fit where work is done in strips of rows, nor would its column
# on the way to the model's size: 320 pixels wide, and a million high.
_MOST_PIXELS_A_SIDE = 65_535

# Bytes per pixel that decoding may take at its peak: what a progressive JPEG takes whose colors are as fine as its brightness. What
# takes more may have fewer pixels, so that no format needs more memory than the pixel limit stands for.
_MOST_BYTES_PER_PIXEL = 10


def decode(data: bytes, max_pixels: int, make_room: Callable[[int], None] | None = None, strips: Strips = SERIAL) -> Picture:
    """Decode the first frame of a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.

    EXIF orientation is applied, a profile is converted to sRGB (a broken one is ignored), transparency is kept. `make_room` is
    called with the bytes that decoding will take at its peak, before it begins.
    Raises EmptySource, UnsupportedImageType, ImageTooLarge (from the header alone: width × height over `max_pixels`, or over
    fewer for a format that takes more than 10 bytes per pixel, or a side over 65,535), ImageCorrupt or OutOfMemory.
    """
    if not data:
        raise EmptySource
    kind = sniff(data)
    if kind is None:
        raise UnsupportedImageType
    try:
        return _decode(data, kind, max_pixels, make_room, strips)
    except MemoryError as exc:
        raise OutOfMemory from exc


def _decode(data: bytes, kind: str, max_pixels: int, make_room: Callable[[int], None] | None, strips: Strips) -> Picture:
    if kind == "WEBP":  # Pillow allocates a WebP's canvas when it opens the file
        _require_size(read_canvas_size(data), max_pixels)
    if kind == "PNG":
        data = still_png(data)
    Image.MAX_IMAGE_PIXELS = max_pixels
    # Pillow reads a run-length encoded BMP byte by byte, rightly.
    file = io.BytesIO(data) if kind == "BMP" else BoundedFile(data)
    with pillow_errors():
        opened = Image.open(file, formats=[kind])
    with opened as image:
        # Pillow turns a TIFF as it loads it; the others are turned here.
        price = bytes_per_pixel(image, kind, data, is_turned=kind == "TIFF" and _turn(image) is not None)
        _require_size(image.size, int(max_pixels * min(1, _MOST_BYTES_PER_PIXEL / price)))
        if make_room is not None:
            make_room(int(price * image.width * image.height))
        if isinstance(file, BoundedFile):
            file.begin_pixels(in_scans=kind == "JPEG" and keeps_coefficients(data))
        loaded = _load(image, kind, data)
        turn = _turn(image)
        alpha = alpha_of(loaded, strips)
        stored, develop = to_srgb(loaded, strips)
        upright_alpha = alpha if alpha is None or turn is None else alpha.transpose(turn)
        return Picture(stored, upright_alpha, turn, develop, strips).settled()


def sniff(data: bytes) -> str | None:
    """Pillow's name of the file's type by its first bytes, or None if it is none of the accepted ones."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):  # TIFF 6.0 and BigTIFF
        return "TIFF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":  # ISO/IEC 14496-12: a size, "ftyp", the major brand, a version, the compatible brands
        brands = data[8:12] + data[16 : int.from_bytes(data[:4], "big")]
        if any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, min(len(brands), 256), 4)):
            return "AVIF"
    return None


def _require_size(size: tuple[int, int], max_pixels: int) -> None:
    if max(size) > _MOST_PIXELS_A_SIDE:
        raise ImageTooLarge(_MOST_PIXELS_A_SIDE, "pixels a side")
    if size[0] * size[1] > max_pixels:
        raise ImageTooLarge(max_pixels)


def _load(image: Image.Image, kind: str, data: bytes) -> Image.Image:
    """The pixels alone, without what the decoder keeps."""
    if kind == "WEBP":
        pixels = decode_webp(data, image.size)
        pixels.info = image.info
        return pixels
    with pillow_errors():
        image.load()
    if kind == "AVIF":
        drop_avif_decoder(image)
    return image


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        orientation = image.getexif().get(0x0112, 1)
    except MemoryError:
        raise
    except Exception:  # EXIF that cannot be read turns nothing; Pillow raises what its parser meets
        return None
    return TURNS.get(orientation) if isinstance(orientation, int) else None
