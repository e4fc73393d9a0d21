"""The color space that a PNG or an AVIF declares by numbers -> an ICC profile, for littlecms."""

from pipeline.image.color_codes import icc_profile
from pipeline.image.headers import avif_color
from pipeline.image.headers.png_color import PngColor, Point, read_color
from pipeline.image.icc import D65, NotAColorSpace, rgb_profile

# A profile, empty for sRGB.
Profile = bytes
_SRGB: Profile = b""

# ITU-T H.273, tables 2 and 3: BT.709, BT.2020 and Display P3; BT.709, BT.601, sRGB, BT.2020 in 10
# and 12 bits, PQ and HLG. A reader must skip a cICP chunk whose codes it does not know.
_KNOWN_PRIMARIES = {1, 9, 12}
_KNOWN_TRANSFERS = {1, 6, 13, 14, 15, 16, 18}
_BT709, _UNSPECIFIED = 1, 2

# PNG 3rd edition, 11.3.2.5: what an encoder writes beside sRGB. The white first.
_SRGB_POINTS: tuple[Point, Point, Point, Point] = (D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_SRGB_GAMMA = 1 / 2.2
_MOST_ROUNDING = 0.001  # of a chromaticity

# libpng and browsers convert nothing within 5 %.
_LEAST_DIFFERENCE = 0.05
# Whoever writes another exponent does not mean it. PngSuite has 0.35 to 2.5.
_GAMMAS = (0.2, 5.0)


def declared_profile(kind: str, data: bytes, embedded: bytes | None) -> Profile | None:
    """Return the RGB profile of the color space that a file declares, empty if that is sRGB.

    None if the file declares none by numbers, or if its `embedded` profile has precedence.
    """
    if kind == "PNG":
        return _profile_of_png(read_color(data), embedded)
    if kind == "AVIF" and not embedded:
        return _profile_of_avif(avif_color.read_codes(data))
    return None


def _profile_of_png(color: PngColor, embedded: bytes | None) -> Profile | None:
    """PNG 3rd edition, 4.3: cICP, then iCCP, then sRGB, then gAMA and cHRM."""
    if color.codes and color.codes[0] in _KNOWN_PRIMARIES and color.codes[1] in _KNOWN_TRANSFERS:
        return icc_profile(*color.codes) or _SRGB
    if embedded or color.is_srgb or color.gamma is None:
        return None
    return _profile_of_gamma(color.gamma, color.points or _SRGB_POINTS)


def _profile_of_gamma(gamma: float, points: tuple[Point, Point, Point, Point]) -> Profile | None:
    """Return None if the numbers are those of sRGB, or of no color space."""
    if not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        return None
    has_srgb_points = all(
        abs(number - other) <= _MOST_ROUNDING
        for point, standard in zip(points, _SRGB_POINTS, strict=True)
        for number, other in zip(point, standard, strict=True)
    )
    if has_srgb_points and abs(gamma / _SRGB_GAMMA - 1) <= _LEAST_DIFFERENCE:
        return None
    white, *primaries = points
    red, green, blue = primaries
    try:
        return rgb_profile((red, green, blue), white, 1 / gamma)
    except NotAColorSpace:
        return None


def _profile_of_avif(codes: tuple[int, int] | None) -> Profile | None:
    """Where only the primaries are unspecified, browsers take those of BT.709."""
    if codes is None:
        return None
    primaries, transfer = codes
    return icc_profile(_BT709 if primaries == _UNSPECIFIED else primaries, transfer)
