"""Whether a JPEG's decoder must keep all its coefficients, from its segments (ITU-T T.81, annex B)."""

_START_OF_SCAN = 0xDA
_PROGRESSIVE = (
    0xC2,
    0xCA,
)  # frames in spectral selection or successive approximation, by Huffman or arithmetic coding
_RESTART_OR_END = range(0xD0, 0xDA)

# Segments before the first scan. Real files have tens.
_MOST_SEGMENTS = 4_096


def keeps_coefficients(data: bytes) -> bool:
    """Whether the image comes in several scans: it is progressive, or its first scan has fewer components than its frame.

    What is no plain sequence of segments is taken for such an image, as it is the more expensive one.
    """
    at, components = 2, 0
    for _ in range(_MOST_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # fill bytes (B.1.1.2)
            at += 1
        if data[at : at + 1] != b"\xff" or at + 10 > len(data):
            return True
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _START_OF_SCAN:
            return data[at + 4] != components
        if marker in _PROGRESSIVE or marker in _RESTART_OR_END or marker < 0xC0:
            return True
        if 0xC0 <= marker <= 0xCF and marker not in (
            0xC4,
            0xC8,
            0xCC,
        ):  # a frame header, and not one of a table
            components = data[at + 9]
        at += 2 + length
    return True
