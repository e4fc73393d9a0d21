"""Encoded image -> SourceImage. The only module that opens images.

The format is detected from the content, and the size is checked before any pixel is decoded.
Whatever Pillow raises on a damaged file becomes ImageCorrupt (`pillow_errors.py`). An exception of
our own code is a defect and passes through.
"""

import io
from collections.abc import Callable

# Pillow imports its plugins on demand. If an import fails because memory is short, Pillow never
# retries it, so all of them are imported here.
from PIL import (
    AvifImagePlugin,  # noqa: F401
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
from pipeline.image.color import alpha_of, prepare_srgb, srgb_converter
from pipeline.image.declared_color import declared_profile
from pipeline.image.decoder_limits import LimitedFile
from pipeline.image.formats import detect_format
from pipeline.image.headers.heif import read_declared
from pipeline.image.headers.jpeg import can_be_reduced, has_few_scans, keeps_coefficients
from pipeline.image.headers.png_chunks import still_png
from pipeline.image.headers.webp_frames import read_canvas_size
from pipeline.image.heif.decoder import KEPT_FREE_BYTES, PROCESS_BYTES, HeifDecoder
from pipeline.image.jpeg_planes import decode_planes, is_in_planes
from pipeline.image.pillow_errors import pillow_errors
from pipeline.image.planes import KEPT, MIN_PIXELS, Planes
from pipeline.image.price import PEAK_BYTES, PILLOW, Price, price_of
from pipeline.image.source_image import ORIENTATIONS, Reduction, SourceImage
from pipeline.image.strips import SERIAL, Strips
from pipeline.image.webp import decode_webp

# Pillow compares a file's size with `Image.MAX_IMAGE_PIXELS` before it opens the first frame. That
# is early enough for a GIF, whose frame it fills with the background at that point. By default it
# only warns.
set_warnings()

# Pillow unpacks the text chunks of a PNG, which are not used here: 60 KB can hold 64 MB of text.
limit_png_text(4 << 20)

# The largest side of a JPEG or GIF. A longer row would not fit into a strip of rows, and a longer
# column not into the intermediate image of the reduction, 320 pixels wide and as high as the image.
_MAX_SIDE = 65_535


# Width and height of a stored image -> 1, 2, 4 or 8, and at most the shorter side.
ChooseDivisor = Callable[[tuple[int, int]], int]


def decode(
    data: bytes,
    max_pixels: int,
    claim: Callable[[int], Strips] = lambda _: SERIAL,
    choose_divisor: ChooseDivisor | None = None,
    heif: HeifDecoder | None = None,
) -> SourceImage:
    """Decode the first frame of a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF, or a HEIC by `heif`.

    The result is upright (EXIF orientation) and converts to sRGB (from an ICC profile, or from the
    color space that a PNG or an AVIF declares by numbers; a broken one is ignored). Transparency is
    kept. `claim` is called before decoding with the peak memory that decoding will need, in bytes,
    and returns the threads to process the image with. With `choose_divisor`, a JPEG may be decoded
    at 1/2, 1/4 or 1/8 of its width and height; this accepts and refuses no other images.

    Raises EmptySource, UnsupportedImageType, ImageCorrupt, OutOfMemory, and, from the header
    alone, ImageTooLarge: over `max_pixels` (fewer for a kind of image that takes much memory, see
    `price.py`) or over 65,535 pixels on a side.
    """
    if not data:
        raise EmptySource
    kind = detect_format(data)
    if kind == "JXL":
        raise UnsupportedImageType("JPEG XL")
    if kind is None or (kind == "HEIF" and heif is None):
        raise UnsupportedImageType
    try:
        if kind == "HEIF" and heif is not None:
            return _decode_heif(data, max_pixels, claim, heif)
        return _decode(data, kind, max_pixels, claim, choose_divisor)
    except MemoryError as exc:
        raise OutOfMemory from exc


def _decode(
    data: bytes,
    kind: str,
    max_pixels: int,
    claim: Callable[[int], Strips],
    choose_divisor: ChooseDivisor | None,
) -> SourceImage:
    if kind == "WEBP":  # Pillow allocates the canvas of a WebP when it opens the file
        _check_size(read_canvas_size(data), max_pixels)
    if kind == "PNG":
        data = still_png(data)
    Image.MAX_IMAGE_PIXELS = max_pixels
    file, opened = _open(data, kind)
    with opened as image:
        # Pillow rotates a TIFF while it loads it; for other formats `SourceImage` does it.
        is_rotated = kind == "TIFF" and _read_orientation(image) is not None
        reducible = kind == "JPEG" and can_be_reduced(data)
        in_planes = reducible and has_few_scans(data) and is_in_planes(image)
        price = price_of(image, kind, data, is_rotated, in_planes)
        _check_size(image.size, price.most_pixels(max_pixels))
        size, divisor = image.size, 1
        if reducible and choose_divisor is not None:
            divisor = choose_divisor(size)
        if divisor > 1:
            in_planes = False
            price = price_of(image, kind, data, is_rotated, in_planes)
            _reduce(image, divisor)
        pixels = size[0] * size[1]
        spared = PILLOW * (pixels - image.width * image.height)
        strips = claim(int(price.peak * pixels - spared))
        _begin_pixels(file, kind, data)
        if in_planes:
            return _load_planes(image, data, strips)
        loaded = _load(image, kind, data)
        orientation = _read_orientation(image)
        alpha = alpha_of(loaded, strips)
        declared = declared_profile(kind, data, loaded.info.get("icc_profile"))
        stored, to_srgb = prepare_srgb(loaded, strips, declared)
        if alpha is not None and orientation is not None:
            alpha = alpha.transpose(orientation)
        reduction = None if divisor == 1 else Reduction.of(size, divisor, orientation)
        return SourceImage(stored, alpha, orientation, to_srgb, strips, reduction).materialize()


def _open(data: bytes, kind: str) -> tuple[io.BytesIO, Image.Image]:
    # Pillow reads a run-length encoded BMP byte by byte, which is no attack.
    file = io.BytesIO(data) if kind == "BMP" else LimitedFile(data)
    with pillow_errors():
        return file, Image.open(file, formats=[kind])


def _begin_pixels(file: io.BytesIO, kind: str, data: bytes) -> None:
    if isinstance(file, LimitedFile):
        file.begin_pixels(in_scans=kind == "JPEG" and keeps_coefficients(data))


def _decode_heif(
    data: bytes, max_pixels: int, claim: Callable[[int], Strips], decoder: HeifDecoder
) -> SourceImage:
    """libheif applies the orientation of the file's properties, and ignores that of EXIF."""
    declared = read_declared(data)
    pixels = declared.size[0] * declared.size[1]
    in_planes = declared.is_420 and pixels >= MIN_PIXELS
    if in_planes:
        price, besides = Price(2 * KEPT, KEPT), 0
    else:
        price, besides = Price(declared.bytes_per_pixel, PILLOW), KEPT_FREE_BYTES
    _check_size(declared.size, price.most_pixels(max_pixels, besides))
    strips = claim(int(price.peak * pixels) + PROCESS_BYTES + len(data))
    # To rotate an odd number of rows or columns, libheif makes 4:4:4 of 4:2:0.
    most = min(int(declared.bytes_per_pixel * pixels), PEAK_BYTES - KEPT_FREE_BYTES)
    image = decoder.decode(data, pixels, most, in_planes)
    if isinstance(image, Planes):
        to_srgb = srgb_converter(image.profile)
        return SourceImage(image, to_srgb=to_srgb, strips=strips).materialize()
    alpha = alpha_of(image, strips)
    stored, to_srgb = prepare_srgb(image, strips)
    return SourceImage(stored, alpha, to_srgb=to_srgb, strips=strips).materialize()


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    if max(size) > _MAX_SIDE:
        raise ImageTooLarge(_MAX_SIDE, "pixels on a side")
    if size[0] * size[1] > max_pixels:
        raise ImageTooLarge(max_pixels)


def _reduce(image: Image.Image, divisor: int) -> None:
    """Have the decoder reduce each side to 1 / `divisor`, rounded up.

    A block of 8 × 8 samples becomes 4 × 4, 2 × 2 or 1 sample, computed from its low frequencies.
    """
    if divisor > 1:
        image.draft(None, (image.width // divisor, image.height // divisor))


def _load(image: Image.Image, kind: str, data: bytes) -> Image.Image:
    """Decode the pixels, and free what the decoder retains."""
    if kind == "WEBP":
        pixels = decode_webp(data, image.size)
        pixels.info = image.info
        return pixels
    with pillow_errors():
        image.load()
    if kind == "AVIF":
        drop_avif_decoder(image)
    return image


def _load_planes(image: Image.Image, data: bytes, strips: Strips) -> SourceImage:
    """Decode a JPEG that is kept in planes."""

    def reopen() -> Image.Image:
        file, again = _open(data, "JPEG")
        _begin_pixels(file, "JPEG", data)
        return again

    # Two decoders that keep all coefficients would take too much memory at the same time.
    with pillow_errors():
        planes = decode_planes(image, reopen, SERIAL if keeps_coefficients(data) else strips)
    to_srgb = srgb_converter(planes.profile)
    return SourceImage(planes, None, _read_orientation(image), to_srgb, strips).materialize()


def _read_orientation(image: Image.Image) -> Image.Transpose | None:
    try:
        orientation = image.getexif().get(0x0112, 1)
    except MemoryError:
        raise
    except Exception:  # on unreadable EXIF, Pillow raises whatever its parser runs into
        return None
    return ORIENTATIONS.get(orientation) if isinstance(orientation, int) else None
