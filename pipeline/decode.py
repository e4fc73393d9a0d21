"""Bytes -> Picture: the only file that opens images.

The type is judged by the first bytes, the size is checked before a pixel is decoded, and whatever Pillow raises on a file that it
dislikes leaves this room as ImageCorrupt. A large picture stays as its file holds it, see picture.py.
"""

import io
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,  # noqa: F401  Pillow would import these at need, and one that fails, when memory is short, never again.
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageCms,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401
)

from pipeline.bands import over_bands
from pipeline.bounds import BoundedFile, bound_avif_frames
from pipeline.errors import BackgroundRemovalError, EmptySource, ImageCorrupt, ImageTooLarge, OutOfMemory, UnsupportedImageType
from pipeline.picture import TURNS, Develop, Picture
from pipeline.webp import decode_webp

# Pillow checks `Image.MAX_IMAGE_PIXELS` before it opens a file's first frame: that is in time for a GIF, whose frame it fills with
# the background then. It warns, unless told to raise.
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Its other warnings are of callers' files, and Python would keep the text of each for ever.
warnings.filterwarnings("ignore", module=r"PIL\.", append=True)

# A PNG's texts are unpacked when it is opened, and are not used: 60 KB may hold 64 MB of them.
PngImagePlugin.MAX_TEXT_MEMORY = 4 << 20

_SRGB = ImageCms.createProfile("sRGB")

# The colour space that an ICC profile names (ICC.1:2022, table 19) -> the Pillow mode whose pixels it describes.
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}

# What a JPEG or a GIF can have. A line of a million pixels would not fit where work is done in bands of lines, nor would its column
# on the way to the model's size: 320 pixels wide, and a million high.
_MOST_PIXELS_A_SIDE = 65_535

# Chunks of an animated PNG; real ones have a few a frame. 20 MB hold 1,600,000 empty ones.
_MOST_CHUNKS = 50_000

# Bytes a pixel that decoding may take at its peak: what a progressive JPEG takes whose colours are as fine as its brightness. What
# takes more may have fewer pixels, so that no kind of file needs more memory than the pixel limit stands for.
_MOST_BYTES_A_PIXEL = 10


def decode(data: bytes, max_pixels: int, make_room: Callable[[int], None] | None = None) -> Picture:
    """Decode the first frame of a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.

    EXIF orientation is applied, a profile is converted to sRGB (a broken one is ignored), transparency is kept. `make_room` is
    called with the bytes that decoding will take at its peak, before it begins.
    Raises EmptySource, UnsupportedImageType, ImageTooLarge (from the header alone: width × height over `max_pixels`, or over
    fewer for a kind that takes more than 10 bytes a pixel, or a side over 65,535), ImageCorrupt or OutOfMemory.
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
    Image.MAX_IMAGE_PIXELS = max_pixels
    # Pillow reads a run-length encoded BMP byte by byte, rightly.
    file = io.BytesIO(data) if kind == "BMP" else BoundedFile(data)
    with _pillow_errors(max_pixels), Image.open(file, formats=[kind]) as image:
        weight = _bytes_a_pixel(image, kind, data)
        _require_size(image.size, int(max_pixels * min(1, _MOST_BYTES_A_PIXEL / weight)))
        if make_room is not None:
            make_room(int(weight * image.width * image.height))
        if isinstance(file, BoundedFile):
            file.begin_pixels(progressive="progressive" in image.info)
        loaded = _load(image, kind, data)
        turn = _turn(image)
        alpha = _alpha(loaded)
        stored, develop = _to_srgb(loaded)
        return Picture(stored, alpha if alpha is None or turn is None else alpha.transpose(turn), turn, develop).settled()


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
def _pillow_errors(max_pixels: int) -> Iterator[None]:
    """Pillow's decoders raise almost any exception on a damaged file: all of them mean that it cannot be decoded."""
    try:
        yield
    except BackgroundRemovalError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        raise ImageTooLarge(max_pixels) from exc
    except MemoryError as exc:
        raise OutOfMemory from exc
    except Exception as exc:
        raise ImageCorrupt from exc


def _require_size(size: tuple[int, int], max_pixels: int) -> None:
    if max(size) > _MOST_PIXELS_A_SIDE:
        raise ImageTooLarge(_MOST_PIXELS_A_SIDE, "pixels a side")
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
    if data.find(b"acTL", 0, data.find(b"IDAT")) < 0:
        return data
    kept, at = bytearray(data[:8]), 8
    for _ in range(_MOST_CHUNKS):
        if at >= len(data):
            return bytes(kept)
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in (b"acTL", b"fcTL", b"fdAT"):
            kept += data[at:end]
        at = end
    raise ImageCorrupt


def _bytes_a_pixel(image: Image.Image, kind: str, data: bytes) -> float:
    """What decoding takes at its peak: Pillow's own 4, and what the decoder keeps beside them, as measured."""
    if kind == "JPEG" and image.info.get("progressive"):
        # All coefficients, 2 bytes each: a share of the pixels for each component, by its sampling (ITU-T T.81, A.1.1).
        samplings: list[int] = [across * down for _, across, down, _ in getattr(image, "layer", [])]
        return 4 + 2 * sum(samplings) / max(samplings, default=1)
    if kind == "WEBP":
        return 8  # a lossless one is unpacked beside its pixels
    if kind == "AVIF":
        return 8 + _avif_planes(data, has_alpha=image.mode == "RGBA")  # Pillow copies the colours once more
    if kind == "TIFF":
        return 4 + _tiff_part_bytes(image) / (image.width * image.height)
    return 4


def _avif_planes(data: bytes, has_alpha: bool) -> float:
    """Bytes a pixel of an AVIF's planes (AV1 in ISO base media, 2.3.3: the third byte of an av1C box), the most if unknown."""
    at = data.find(b"av1C")
    flags = data[at + 6] if 0 <= at < len(data) - 6 else 0b0100_0000
    samples = 1 + has_alpha + 2 / ((2 if flags & 0b1000 else 1) * (2 if flags & 0b0100 else 1))
    return samples * (2 if flags & 0b0100_0000 else 1)


def _tiff_part_bytes(image: Image.Image) -> float:
    """Bytes of a strip or a tile (TIFF 6.0, page 39 and section 15): libtiff unpacks it whole, however small the picture is."""
    tiles, tags = vars(image)["tile"], vars(image)["tag_v2"]
    if tiles[0].codec_name != "libtiff":  # not compressed: Pillow reads it itself, line by line
        return 0
    if TiffImagePlugin.TILEWIDTH in tags:
        pixels = tags[TiffImagePlugin.TILEWIDTH] * tags[TiffImagePlugin.TILELENGTH]
    else:
        pixels = image.width * min(tags.get(TiffImagePlugin.ROWSPERSTRIP, image.height), image.height)
    return float(pixels * sum(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) / 8)


def _load(image: Image.Image, kind: str, data: bytes) -> Image.Image:
    """The pixels alone, without what the decoder keeps."""
    if kind == "WEBP":
        pixels = decode_webp(data, image.size)
        pixels.info = image.info
        return pixels
    if kind == "AVIF":
        bound_avif_frames(image)
    image.load()
    vars(image).pop("_decoder", None)  # AVIF's holds the frame once more
    return image


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:  # EXIF that cannot be read turns nothing; Pillow raises what its parser meets
        return None


def _alpha(image: Image.Image) -> Image.Image | None:
    """The picture's own transparency, or None where every pixel is opaque."""
    key = image.info.pop("transparency", None)
    if image.mode.startswith("I;16"):
        if not isinstance(key, int):
            return None
        alpha = Image.fromarray((np.asarray(image) != key).view(np.uint8) * np.uint8(255))
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        alpha = image.getchannel("A" if image.mode in ("RGBA", "LA", "PA") else "a")
    elif key is not None and image.mode in ("1", "L", "P", "RGB"):
        if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
            # A 16-bit PNG's colour key: Pillow keeps the high bytes of its pixels (PNG 3rd edition, 11.3.1.1).
            key = tuple(sample >> 8 for sample in key)
        alpha = Image.new("L", image.size)

        def transparency(top: int, bottom: int) -> None:
            band = image.crop((0, top, image.width, bottom))
            band.info["transparency"] = key
            alpha.paste(band.convert("RGBA").getchannel("A"), (0, top))

        list(over_bands(transparency, image.height, image.width))
    else:
        return None
    return None if alpha.getextrema()[0] == 255 else alpha


def _to_srgb(image: Image.Image) -> tuple[Image.Image, Develop | None]:
    """The image as it can be kept, at most 4 bytes a pixel, and what makes sRGB of a part of it (None: it is that)."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _stretch(image)
    elif image.mode in ("1", "LA", "La"):
        image = image.convert("L")
    mode = image.mode if image.mode in ("L", "CMYK", "LAB") else "RGB"
    transform = _profile_transform(profile, mode) if profile else None
    if transform is None and mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB")
    if image.mode == "RGB":
        if transform is not None:
            _convert_in_place(image, transform)
        return image, None

    def develop(part: Image.Image) -> Image.Image:
        if transform is None:
            return part.convert("RGB")
        return transform.apply(part if part.mode == mode else part.convert(mode))

    return image, develop


def _stretch(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to mode L: 16 bits by their high byte, others (no range is declared) from min to max."""

    def samples(top: int, bottom: int) -> NDArray[np.float32]:
        values = np.asarray(image.crop((0, top, image.width, bottom))).astype(np.float32)
        return np.nan_to_num(values, posinf=0.0, neginf=0.0)

    def extrema(top: int, bottom: int) -> tuple[float, float]:
        values = samples(top, bottom)
        return float(values.min()), float(values.max())

    low, scale = 0.0, 1 / 256
    if not image.mode.startswith("I;16"):
        lows, highs = zip(*over_bands(extrema, image.height, image.width), strict=True)
        low, high = min(lows), max(highs)
        scale = 255.0 / (high - low) if high > low else 0.0
    grey = Image.new("L", image.size)

    def stretch(top: int, bottom: int) -> None:
        grey.paste(Image.fromarray(((samples(top, bottom) - low) * scale).astype(np.uint8)), (0, top))

    list(over_bands(stretch, image.height, image.width))
    return grey


def _profile_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What brings pixels of `mode` to sRGB; None if the profile is broken, describes other pixels, or changes none."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _PROFILE_MODES.get(source.profile.xcolor_space.strip()) != mode:
            return None
        transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB")
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a cube of 17 × 17 × 17 colours comes back as it went: most profiles that cameras write are sRGB."""
    levels = np.linspace(0, 255, 17).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(17, -1, 3)
    return np.array_equal(cube, np.asarray(transform.apply(Image.fromarray(cube))))


def _convert_in_place(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> None:
    def convert(top: int, bottom: int) -> None:
        image.paste(transform.apply(image.crop((0, top, image.width, bottom))), (0, top))

    list(over_bands(convert, image.height, image.width))
