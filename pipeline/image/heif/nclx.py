"""The color space of an nclx box (ITU-T H.273) -> an ICC profile, which the worker can apply."""

import struct

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

# H.273, table 2: the chromaticities x, y of red, green and blue. The white is D65.
_PRIMARIES: dict[int, Chromaticities] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),  # BT.709, sRGB
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])  # the white of a profile: ICC.1:2022, 7.2.16

# Bradford's cone responses: ICC.1:2022, annex E.
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

# H.273, table 3. Others, BT.709's among them, are shown like sRGB.
_PQ, _HLG = 16, 18

# The luminance of white in cd/m²: BT.2408, 2.1. Brighter highlights are clipped.
_WHITE = 203.0
_CURVE_POINTS = 4_096


def icc_profile(primaries: int, transfer: int) -> bytes | None:
    """Return the profile of a color space, or None if it is sRGB or not specified."""
    chromaticities = _PRIMARIES.get(primaries)
    if chromaticities is None or (primaries == 1 and transfer not in (_PQ, _HLG)):
        return None
    signal = np.linspace(0, 1, _CURVE_POINTS)
    curve = {_PQ: _linear_from_pq, _HLG: _linear_from_hlg}.get(transfer, _linear_from_srgb)(signal)
    samples = np.round(np.clip(curve, 0, 1) * 65_535).astype(">u2").tobytes()
    tone = struct.pack(">4s4xI", b"curv", _CURVE_POINTS) + samples
    columns = _to_d50(chromaticities).T
    tags = [(b"wtpt", _xyz(_D50))]
    for name, column in zip(b"rgb", columns, strict=True):
        tags += [(bytes([name]) + b"XYZ", _xyz(column)), (bytes([name]) + b"TRC", tone)]
    return _profile(tags)


def _linear_from_srgb(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _linear_from_pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, of 10,000 cd/m²."""
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (32 / 2523)
    return 10_000 / _WHITE * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (16_384 / 2610)


def _linear_from_hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2100, table 5, with the system gamma of a display of 1,000 cd/m²."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return 1_000 / _WHITE * scene**1.2


def _to_d50(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ under D50 (ICC.1:2022, annexes E and F)."""
    unscaled = np.array([_xyz_of(*point) for point in chromaticities]).T
    white = _xyz_of(*_D65)
    matrix = unscaled * np.linalg.solve(unscaled, white)
    gains = (_CONES @ _D50) / (_CONES @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(_CONES) @ np.diag(gains) @ _CONES @ matrix
    return adapted


def _xyz_of(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _xyz(values: NDArray[np.float64]) -> bytes:
    """ICC.1:2022, 10.31: numbers of 16 + 16 bits."""
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65_536) for value in values.tolist()))


def _profile(tags: list[tuple[bytes, bytes]]) -> bytes:
    """ICC.1:2022, 7: a header, a table of tags, and their data."""
    at = 128 + 4 + 12 * len(tags)
    table = struct.pack(">I", len(tags))
    for name, content in tags:
        table += struct.pack(">4sII", name, at, len(content))
        at += len(content)
    header = struct.pack(
        ">I4sI4s4s4s12x4s28x3i48x",
        at,
        bytes(4),
        0x02400000,  # version 2.4, which has no limits on its curves
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        *(round(value * 65_536) for value in _D50.tolist()),
    )
    return header + table + b"".join(content for _, content in tags)
