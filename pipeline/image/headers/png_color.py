"""The color space that a PNG declares by numbers (PNG 3rd edition, 11.3.2)."""

from dataclasses import dataclass
from struct import Struct

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.walker import Reader, png_chunk, walk

_SIGNATURE_BYTES = 8
# Chunks of color come before the pixels. Real files have tens.
_MAX_CHUNKS = 1_000

_SCALE = 100_000  # of the numbers in gAMA and cHRM
_CHROMATICITIES = Struct(">8I")  # x and y of the white, red, green and blue
_RGB, _FULL_RANGE = 0, 1

Point = tuple[float, float]


@dataclass(frozen=True)
class PngColor:
    """What the chunks of color contain, whatever their precedence.

    `codes` are the color primaries and the transfer characteristics of cICP, by ITU-T H.273; None
    unless its samples are RGB of full range, as all that browsers show. `gamma` is that of gAMA: a
    sample is light ** `gamma`. `points` are the chromaticities of cHRM: x and y of the white, red,
    green and blue. `is_srgb` tells whether there is an sRGB chunk.
    """

    codes: tuple[int, int] | None = None
    is_srgb: bool = False
    gamma: float | None = None
    points: tuple[Point, Point, Point, Point] | None = None


def read_color(data: bytes) -> PngColor:
    """Return what the chunks before the pixels declare. The first of its kind counts.

    A chunk that is too short, and what follows a chunk that the end of the file cuts, is ignored.
    """
    found: dict[bytes, Reader] = {}
    try:
        for chunk in walk(Reader(data, _SIGNATURE_BYTES, len(data)), png_chunk, _MAX_CHUNKS):
            if chunk.kind == b"IDAT" or chunk.next > len(data):
                break
            found.setdefault(chunk.kind, Reader(data, chunk.start, chunk.end))
    except ImageCorrupt:  # more chunks than any file has
        return PngColor()
    return PngColor(
        _codes(found.get(b"cICP")),
        b"sRGB" in found,
        _gamma(found.get(b"gAMA")),
        _points(found.get(b"cHRM")),
    )


def _codes(reader: Reader | None) -> tuple[int, int] | None:
    """11.3.2.6: primaries, transfer, matrix coefficients, and the flag of full range."""
    content = _content(reader, 4)
    if content is None or (content[2], content[3]) != (_RGB, _FULL_RANGE):
        return None
    return content[0], content[1]


def _gamma(reader: Reader | None) -> float | None:
    """11.3.2.2."""
    content = _content(reader, 4)
    return None if content is None else int.from_bytes(content, "big") / _SCALE


def _points(reader: Reader | None) -> tuple[Point, Point, Point, Point] | None:
    """11.3.2.1."""
    content = _content(reader, _CHROMATICITIES.size)
    if content is None:
        return None
    numbers = [number / _SCALE for number in _CHROMATICITIES.unpack(content)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return white, red, green, blue


def _content(reader: Reader | None, size: int) -> bytes | None:
    """Return the first `size` bytes of a chunk, or None if there are fewer."""
    try:
        return None if reader is None else reader.take(size)
    except ImageCorrupt:
        return None
