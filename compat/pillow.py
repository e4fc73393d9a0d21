"""Pillow: private attributes of its images, and the libwebp inside its `_webp` module.

Pillow reads every WebP as an animation, with two canvases besides the result and its copy: 16 bytes
per pixel where 4 are enough. Its `_webp` module contains libwebp, so this calls libwebp's functions
there instead of installing another copy.
"""

import ctypes
import functools
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import PIL
from PIL import Image, PngImagePlugin, _webp

from compat import require


def limit_png_text(most_bytes: int) -> None:
    """Make Pillow refuse a PNG whose text chunks unpack to more than `most_bytes` together."""
    PngImagePlugin.MAX_TEXT_MEMORY = most_bytes


def set_warnings() -> None:
    """Turn Pillow's warning of too many pixels into an error, and ignore its other warnings.

    Python keeps the text of each warning that it has shown, and those texts quote the client's
    file.
    """
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", module=r"PIL\.", append=True)


def jpeg_components(image: Image.Image) -> list[tuple[int, int, int]]:
    """Return each component of an opened JPEG: its name, and its samples per unit.

    Those are the horizontal and the vertical sampling factor (ITU-T T.81, A.1.1).
    """
    return [(name, across, down) for name, across, down, _ in vars(image)["layer"]]


def tiff_tags(image: Image.Image) -> Mapping[int, Any]:
    """Return the tags of an opened TIFF's first directory.

    If a tag occurs twice, the first that Pillow can read counts.
    """
    tags: Mapping[int, Any] = vars(image)["tag_v2"]
    return tags


def is_read_by_libtiff(image: Image.Image) -> bool:
    """Return whether libtiff decodes an opened TIFF. Pillow reads uncompressed rows itself."""
    return any(tile.codec_name == "libtiff" for tile in vars(image)["tile"])


def drop_avif_decoder(image: Image.Image) -> None:
    """Free the decoder of a loaded AVIF, which holds a second copy of the frame."""
    vars(image).pop("_decoder", None)


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a WebP's first frame, or None if there is no bitstream."""
    width, height = ctypes.c_int(), ctypes.c_int()
    found = _libwebp().WebPGetInfo(data, len(data), ctypes.byref(width), ctypes.byref(height))
    return (width.value, height.value) if found else None


def decode_webp_into(data: bytes, pixels: bytearray, start: int, stride: int) -> bool:
    """Decode a still WebP as RGBA into `pixels` from `start`, `stride` bytes per row.

    Return False if the bitstream is damaged.
    """
    buffer = (ctypes.c_char * (len(pixels) - start)).from_buffer(pixels, start)
    return bool(_libwebp().WebPDecodeRGBAInto(data, len(data), buffer, len(buffer), stride))


@functools.cache
def _libwebp() -> ctypes.CDLL:
    library = ctypes.CDLL(_webp.__file__)
    library.WebPGetInfo.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        *[ctypes.POINTER(ctypes.c_int)] * 2,
    ]
    library.WebPDecodeRGBAInto.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    library.WebPDecodeRGBAInto.restype = ctypes.c_void_p
    return library


def check() -> None:
    """Use each private API on an image of two pixels. Raises MovedError."""
    require("Pillow", PIL.__version__, _PROBES)


def _has_text_limit() -> bool:
    return isinstance(vars(PngImagePlugin)["MAX_TEXT_MEMORY"], int)


def _has_components() -> bool:
    components = [(1, 2, 2), (2, 1, 1), (3, 1, 1)]
    return jpeg_components(_opened("JPEG", subsampling="4:2:0")) == components


def _has_tags() -> bool:
    return bool(tiff_tags(_opened("TIFF"))[256] == 2)


def _has_codec_names() -> bool:
    return is_read_by_libtiff(_opened("TIFF", compression="tiff_lzw")) and not is_read_by_libtiff(
        _opened("TIFF")
    )


def _has_avif_decoder() -> bool:
    image = _opened("AVIF", speed=10)
    image.load()
    held = "_decoder" in vars(image)
    drop_avif_decoder(image)
    return held and image.getpixel((0, 0)) is not None


def _has_libwebp() -> bool:
    data, pixels = _encoded("WEBP", lossless=True), bytearray(2 * 1 * 4)
    is_decoded = webp_size(data) == (2, 1) and decode_webp_into(data, pixels, 0, 8)
    return is_decoded and bytes(pixels) == b"\xc8\x1e\x1e\xff" * 2


def _encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 1), (200, 30, 30)).save(file, kind, **options)
    return file.getvalue()


def _opened(kind: str, **options: object) -> Image.Image:
    return Image.open(io.BytesIO(_encoded(kind, **options)))


_PROBES: dict[str, Callable[[], bool]] = {
    "the limit of a PNG's texts": _has_text_limit,
    "a JPEG's components": _has_components,
    "a TIFF's tags": _has_tags,
    "the name of a TIFF's decoder": _has_codec_names,
    "an AVIF's decoder": _has_avif_decoder,
    "libwebp": _has_libwebp,
}
