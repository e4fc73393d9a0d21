"""The color space of code points of ITU-T H.273, as nclx and cICP have them -> an ICC profile."""

import numpy as np
from numpy.typing import NDArray

from pipeline.image.icc import D65, Point, rgb_profile

# H.273, table 2: the chromaticities x, y of red, green and blue. The white is D65.
_PRIMARIES: dict[int, tuple[Point, Point, Point]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),  # BT.709, sRGB
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}

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
    return rgb_profile(chromaticities, D65, curve)


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
