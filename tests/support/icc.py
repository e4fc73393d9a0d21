"""The ICC profile of Adobe RGB (1998). Pillow can make sRGB alone."""

import struct

# Adobe RGB (1998) Color Image Encoding, annex on ICC profiles: the primaries, adapted to D50, and
# the gamma.
_PRIMARIES = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}
_D50 = (0.9642, 1.0, 0.8249)
_GAMMA = 2 + 51 / 256


def adobe_rgb() -> bytes:
    """Return a matrix/TRC display profile (ICC.1:2001-04, sections 6.1, 6.3.1.2 and 6.5)."""
    description = b"like Adobe RGB (1998)\0"
    content = {
        b"desc": b"desc" + struct.pack(">4xI", len(description)) + description + bytes(78),
        b"cprt": b"text" + bytes(4) + b"no copyright\0",
        b"wtpt": _xyz(*_D50),
        **{name: _xyz(*values) for name, values in _PRIMARIES.items()},
        **{
            name: b"curv" + struct.pack(">4xIH", 1, round(_GAMMA * 256))
            for name in (b"rTRC", b"gTRC", b"bTRC")
        },
    }
    table, data = struct.pack(">I", len(content)), b""
    begin = 128 + 4 + 12 * len(content)
    for name, element in content.items():
        table += name + struct.pack(">II", begin + len(data), len(element))
        data += element + bytes(-len(element) % 4)
    size = begin + len(data)
    header = (
        struct.pack(">I4xI", size, 0x02100000)
        + b"mntrRGB XYZ "
        + struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
        + b"acsp"
    )
    header += bytes(28) + b"".join(_fixed(value) for value in _D50)
    return header.ljust(128, b"\0") + table + data


def _xyz(*values: float) -> bytes:
    """Return an XYZ element."""
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _fixed(value: float) -> bytes:
    """Return an s15Fixed16Number."""
    return struct.pack(">i", round(value * 65536))
