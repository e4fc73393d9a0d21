"""How a JPEG must be decoded, from its segments (ITU-T T.81, annex B)."""

from collections.abc import Iterator

_START_OF_SCAN = 0xDA
# Frames in spectral selection or successive approximation, by Huffman or arithmetic coding.
_PROGRESSIVE = (0xC2, 0xCA)
_RESTART_OR_END = range(0xD0, 0xDA)
# The other markers from C0 to CF are for tables.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)

# The scans of an image that may be decoded twice. Progressive encoders write about ten; as many may
# be in a second image behind it.
_FEW_SCANS = 30

# The segments before the first scan. Real files have tens.
_MAX_SEGMENTS = 4_096


def keeps_coefficients(data: bytes) -> bool:
    """Return whether the image comes in several scans.

    It does if it is progressive, or if its first scan has fewer components than its frame. Anything
    but a plain sequence of segments counts as such an image too, because that is the larger cost.
    """
    components = 0
    for marker, at in _segments(data):
        if marker == _START_OF_SCAN:
            return data[at + 4] != components
        if marker in _PROGRESSIVE:
            return True
        if marker in _FRAMES:
            components = data[at + 9]
    return True


def can_be_reduced(data: bytes) -> bool:
    """Return whether the image is coded in blocks, which a decoder can reduce each on its own.

    A lossless one is not: libjpeg-turbo returns all of its pixels whatever it is asked for.
    Anything but a plain sequence of segments counts as such an image too.
    """
    for marker, _ in _segments(data):
        if marker in _FRAMES:
            return marker not in _LOSSLESS
    return False


def has_few_scans(data: bytes) -> bool:
    """Return whether the file has at most 30 scans, so that decoding it twice is no attack."""
    return data.count(bytes((0xFF, _START_OF_SCAN))) <= _FEW_SCANS


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the marker and the position of each segment to the first scan's, if they are plain."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # fill bytes (B.1.1.2)
            at += 1
        if data[at : at + 1] != b"\xff" or at + 10 > len(data):
            return
        marker = data[at + 1]
        if marker in _RESTART_OR_END or marker < min(_FRAMES):
            return
        yield marker, at
        if marker == _START_OF_SCAN:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
