"""Whether a JPEG's decoder must keep all coefficients, from its segments (ITU-T T.81, annex B)."""

_START_OF_SCAN = 0xDA
# Frames in spectral selection or successive approximation, by Huffman or arithmetic coding.
_PROGRESSIVE = (0xC2, 0xCA)
_RESTART_OR_END = range(0xD0, 0xDA)
_FRAMES = range(0xC0, 0xD0)
_TABLES = (0xC4, 0xC8, 0xCC)  # markers within _FRAMES that begin no frame

# The segments before the first scan. Real files have tens.
_MAX_SEGMENTS = 4_096


def keeps_coefficients(data: bytes) -> bool:
    """Return whether the image comes in several scans.

    It does if it is progressive, or if its first scan has fewer components than its frame. Anything
    but a plain sequence of segments counts as such an image too, because that is the larger cost.
    """
    at, components = 2, 0
    for _ in range(_MAX_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # fill bytes (B.1.1.2)
            at += 1
        if data[at : at + 1] != b"\xff" or at + 10 > len(data):
            return True
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            return data[at + 4] != components
        if marker in _PROGRESSIVE or marker in _RESTART_OR_END or marker < _FRAMES.start:
            return True
        if marker in _FRAMES and marker not in _TABLES:
            components = data[at + 9]
        at += 2 + length
    return True
