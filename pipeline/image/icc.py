"""Writes the ICC profile of an RGB color space (ICC.1:2022)."""

import struct
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

# The chromaticities x, y of a color.
Point = tuple[float, float]

D65: Point = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])  # the white of every profile: 7.2.16

# Bradford's responses of the three kinds of cones: annex E.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)

_HEADER_BYTES, _COUNT_BYTES, _ENTRY_BYTES = 128, 4, 12
_VERSION = 0x02400000  # 2.4, which all readers know


class NotAColorSpace(ValueError):
    """Chromaticities that cannot be those of an RGB color space."""


def rgb_profile(
    primaries: tuple[Point, Point, Point], white: Point, curve: float | NDArray[np.float64]
) -> bytes:
    """Return the profile of a space whose light is sample ** `curve`, both from 0 to 1.

    A `curve` may also be the light at an even number of equally spaced samples, float64 (samples,),
    where more than 1 counts as 1.

    Raises NotAColorSpace for `primaries` (red, green, blue) or a `white` with a y of 0, or if no
    mix of the primaries is white.
    """
    tone = _tone_tag(curve)
    tags = {b"wtpt": _xyz_tag(_D50)}
    for letter, column in zip("rgb", _to_d50(primaries, white).T, strict=True):
        tags[f"{letter}XYZ".encode()] = _xyz_tag(column)
        tags[f"{letter}TRC".encode()] = tone
    return _profile(tags)


def _tone_tag(curve: float | NDArray[np.float64]) -> bytes:
    """Return the data of a parametricCurveType of type 0 (10.18), or of a curveType (10.6)."""
    if isinstance(curve, float):
        return struct.pack(">4s4xHxxi", b"para", 0, _fixed(curve))
    samples = np.round(np.clip(curve, 0, 1) * 65_535).astype(">u2")
    return struct.pack(">4s4xI", b"curv", len(samples)) + samples.tobytes()


def _to_d50(primaries: tuple[Point, Point, Point], white: Point) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from linear RGB to XYZ under D50: annex F.3, adapted by annex E."""
    columns = np.stack([_xyz(point) for point in primaries], axis=1)
    light = _xyz(white)
    try:
        amounts = np.linalg.solve(columns, light)
    except np.linalg.LinAlgError as exc:  # the primaries are on one line
        raise NotAColorSpace from exc
    if not (amounts > 0).all():
        raise NotAColorSpace
    adaptation = np.diag(_BRADFORD @ _D50 / (_BRADFORD @ light))
    matrix: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ adaptation @ _BRADFORD @ columns
    return matrix * amounts


def _xyz(point: Point) -> NDArray[np.float64]:
    """Return the color of a chromaticity whose luminance Y is 1. Raises NotAColorSpace."""
    x, y = point
    if y <= 0:
        raise NotAColorSpace
    return np.array([x, y, 1 - x - y]) / y


def _fixed(value: float) -> int:
    """Return a s15Fixed16Number: 4.6."""
    return round(value * 65_536)


def _xyz_tag(color: NDArray[np.float64]) -> bytes:
    """Return the data of an XYZType: 10.31. Raises NotAColorSpace if a number does not fit."""
    try:
        return struct.pack(">4s4x3i", b"XYZ ", *map(_fixed, color.tolist()))
    except struct.error as exc:
        raise NotAColorSpace from exc


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """Return a display profile of these tags: a header, a table, and the data (7.2 and 7.3).

    The data of each tag must be a multiple of 4 bytes.
    """
    begin = _HEADER_BYTES + _COUNT_BYTES + _ENTRY_BYTES * len(tags)
    ends = list(accumulate(map(len, tags.values()), initial=begin))
    entries = (
        struct.pack(">4sII", name, at, len(content))
        for (name, content), at in zip(tags.items(), ends[:-1], strict=True)
    )
    kind = b"mntrRGB XYZ "
    header = struct.pack(">I4xI12s12x4s28x", ends[-1], _VERSION, kind, b"acsp")
    header += _xyz_tag(_D50)[8:]
    table = struct.pack(">I", len(tags)) + b"".join(entries)
    return header.ljust(_HEADER_BYTES, b"\0") + table + b"".join(tags.values())
