"""Conversions to sRGB by the formulas of the standards, without an ICC profile.

Light is float64, (..., 3), and 1 is white.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.color_files import BT709, BT2020, HLG, P3, PQ, SRGB

Light = NDArray[np.float64]

_WHITE = 203.0  # cd/m²: ITU-R BT.2408, 2.1

# From linear RGB to that of BT.709, which sRGB has.
# ITU-R BT.2087, 4 (BT.2020); CSS Color 4, 17 (Display P3), with four digits.
FROM_BT2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
FROM_P3 = np.array([[1.2249, -0.2249, 0.0], [-0.0420, 1.0420, 0.0], [-0.0197, -0.0786, 1.0983]])
# Adobe RGB (1998) Color Image Encoding, 4.3.5.2, to XYZ, and IEC 61966-2-1, 5.2, from there.
FROM_ADOBE = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
) @ np.array(
    [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
)


def srgb_levels(light: Light) -> NDArray[np.int_]:
    """IEC 61966-2-1, 5.2: light to levels of 0 to 255."""
    clipped = np.clip(light, 0, 1)
    curved = 1.055 * np.maximum(clipped, 0.0031308) ** (1 / 2.4) - 0.055
    return np.round(255 * np.where(clipped <= 0.0031308, 12.92 * clipped, curved)).astype(int)


def light_of_srgb(signal: Light) -> Light:
    """IEC 61966-2-1, 5.2."""
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def light_of_power(gamma: float) -> Callable[[Light], Light]:
    """PNG 3rd edition, 11.3.2.2: a sample is light ** `gamma`."""
    return lambda signal: signal ** (1 / gamma)


def light_of_pq(signal: Light) -> Light:
    """SMPTE ST 2084, 5.1, also ITU-R BT.2100, table 4. Brighter light than white is clipped."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = signal ** (1 / m2)
    luminance = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return np.minimum(luminance / _WHITE, 1)


def light_of_hlg(signal: Light) -> Light:
    """ITU-R BT.2100, table 5, on a display of 1,000 cd/m², each channel on its own."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.minimum(1_000 * scene**1.2 / _WHITE, 1)


# Primaries and transfer of a color space, and its conversion.
CODES: list[tuple[int, int, Callable[[Light], Light], Light | None]] = [
    (P3, SRGB, light_of_srgb, FROM_P3),
    (BT2020, SRGB, light_of_srgb, FROM_BT2020),
    (BT709, PQ, light_of_pq, None),
    (BT2020, PQ, light_of_pq, FROM_BT2020),
    (P3, PQ, light_of_pq, FROM_P3),
    (BT2020, HLG, light_of_hlg, FROM_BT2020),
]


def converted(
    levels: NDArray[np.integer[Any]],
    to_light: Callable[[Light], Light],
    matrix: Light | None = None,
) -> NDArray[np.int_]:
    """Convert levels of 0 to 255, (..., 3), to those of sRGB."""
    light = to_light(levels / 255)
    return srgb_levels(light if matrix is None else light @ matrix.T)
