"""Bytes -> upright sRGB picture: the only file that opens images.

The type is judged by the first bytes, the size is checked before a pixel is decoded, and every mode that Pillow knows is brought
to 8-bit sRGB. Whatever Pillow raises on a file it dislikes leaves this room as ImageCorrupt.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps

from pipeline.errors import EmptySource, ImageCorrupt, ImageTooLarge, OutOfMemory, UnsupportedImageType

# The limit is ours and is checked below, before any decoding; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None

_SRGB = ImageCms.createProfile("sRGB")

# The colour space that an ICC profile names (ICC.1:2022, table 19) -> the Pillow mode whose pixels it describes.
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


@dataclass(frozen=True)
class Picture:
    """An upright picture: `rgb` in mode RGB (sRGB, 8 bits), `alpha` in mode L and of the same size, or None if opaque."""

    rgb: Image.Image
    alpha: Image.Image | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self.rgb.size


def decode(data: bytes, max_pixels: int) -> Picture:
    """Decode the first frame of a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.

    EXIF orientation is applied, a profile is converted to sRGB (a broken one is ignored), transparency is kept.
    Raises EmptySource, UnsupportedImageType, ImageTooLarge (width × height over `max_pixels`, from the header alone),
    ImageCorrupt or OutOfMemory.
    """
    if not data:
        raise EmptySource
    kind = sniff(data)
    if kind is None:
        raise UnsupportedImageType
    if kind == "WEBP":  # Pillow allocates a WebP's canvas when it opens the file
        _require_size(_webp_size(data), max_pixels)
    if kind == "PNG":
        data = _without_animation(data)
    with _pillow_errors(), Image.open(io.BytesIO(data), formats=[kind]) as image:
        _require_size(image.size, max_pixels)
        image.load()
        if _has_orientation(image):
            ImageOps.exif_transpose(image, in_place=True)
        return _to_srgb(image)


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


@contextmanager
def _pillow_errors() -> Iterator[None]:
    """Pillow's decoders raise almost any exception on a damaged file: all of them mean that it cannot be decoded."""
    try:
        yield
    except ImageTooLarge:
        raise
    except MemoryError as exc:
        raise OutOfMemory from exc
    except Exception as exc:
        raise ImageCorrupt from exc


def _require_size(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise ImageTooLarge(max_pixels)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    try:
        match data[12:16]:
            case b"VP8X":
                return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
            case b"VP8L":
                (bits,) = struct.unpack_from("<I", data, 21)
                return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
            case b"VP8 ":
                width, height = struct.unpack_from("<HH", data, 26)
                return width & 0x3FFF, height & 0x3FFF
    except struct.error as exc:
        raise ImageCorrupt from exc
    raise ImageCorrupt


def _without_animation(data: bytes) -> bytes:
    """A PNG less the chunks that animate it: its still picture counts, and faults of the animation do not.

    The chunks are a length, four letters, the content and a checksum (PNG 3rd edition, 5.3); acTL stands before IDAT (11.3.4.1).
    """
    if b"acTL" not in data[: data.find(b"IDAT")]:
        return data
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in (b"acTL", b"fcTL", b"fdAT"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _has_orientation(image: Image.Image) -> bool:
    try:
        return bool(image.getexif().get(0x0112, 1) != 1)  # EXIF 2.3, Orientation
    except Exception:  # EXIF that cannot be read turns nothing; Pillow raises what its parser meets
        return False


def _to_srgb(image: Image.Image) -> Picture:
    profile = image.info.get("icc_profile")
    alpha = _alpha(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _stretch(image)
    elif image.mode in ("1", "LA", "La"):
        image = image.convert("L")
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    converted = _apply_profile(image, profile) if profile else None
    if converted is None:
        converted = _lab_to_rgb(image) if image.mode == "LAB" else image if image.mode == "RGB" else image.convert("RGB")
    return Picture(converted, alpha)


def _alpha(image: Image.Image) -> Image.Image | None:
    """The picture's own transparency, or None where every pixel is opaque."""
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        if not isinstance(key, int):
            return None
        alpha = Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        alpha = image.getchannel("A" if image.mode in ("RGBA", "LA", "PA") else "a")
    elif key is not None and image.mode in ("1", "L", "P", "RGB"):
        if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
            # A 16-bit PNG's colour key: Pillow keeps the high bytes of its pixels (PNG 3rd edition, 11.3.1.1).
            image.info["transparency"] = tuple(sample >> 8 for sample in key)
        alpha = image.convert("RGBA").getchannel("A")
    else:
        return None
    return None if alpha.getextrema()[0] == 255 else alpha


def _stretch(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to mode L: 16 bits by their high byte, others (no range is declared) from min to max."""
    samples = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((samples.astype(np.uint16) >> 8).astype(np.uint8))
    values = np.nan_to_num(samples.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    scale = 255.0 / (high - low) if high > low else 0.0
    return Image.fromarray(((values - low) * scale).astype(np.uint8))


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB, or None if the profile is broken or describes other pixels than these."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _PROFILE_MODES.get(source.profile.xcolor_space.strip()) != image.mode:
            return None
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _SRGB, outputMode="RGB")
    assert converted is not None  # None is the answer to inPlace=True alone
    return converted
