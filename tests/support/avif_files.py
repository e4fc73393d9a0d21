"""Write AVIF files box by box, as no encoder would."""

import struct

from PIL import Image

from tests.support.images import encoded


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box."""
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def payload(image: Image.Image, **options: object) -> bytes:
    """Return the AV1 data of an image without alpha, as Pillow encodes it."""
    data = encoded(image, "AVIF", speed=10, **options)
    return data[data.index(b"mdat") + 4 :]


def configuration(flags: int = 0b0000_1100) -> bytes:
    """Return an av1C box (AV1 in ISO base media, 2.3.3); 8 bits and 4:2:0 by default."""
    return box(b"av1C", bytes([0x81, 0, flags, 0]))


def extent(width: int, height: int) -> bytes:
    """Return an ispe box."""
    return full(b"ispe", struct.pack(">II", width, height))


def tiled(
    size: tuple[int, int], tile: tuple[int, int], coded: bytes, inside: bool = False
) -> bytes:
    """Return a grid of `size` whose tiles, each of size `tile`, are all the same AV1 data.

    With `inside`, the data is in the meta box (idat).
    """
    across, down = -(-size[0] // tile[0]), -(-size[1] // tile[1])
    tiles = range(2, 2 + across * down)
    grid = struct.pack(">BBBBHH", 0, 0, down - 1, across - 1, *size)
    properties = box(
        b"ipco", extent(*size), extent(*tile), configuration(), full(b"pixi", b"\3\x08\x08\x08")
    )
    used = [(1, b"\1\4"), *((number, b"\2\x83\4") for number in tiles)]
    associations = b"".join(
        struct.pack(">HB", number, len(indices)) + indices for number, indices in used
    )

    def meta(start: int) -> bytes:
        located = [
            (1, 1, 0, len(grid)),
            *((number, int(inside), start, len(coded)) for number in tiles),
        ]
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(
                b"iloc",
                struct.pack(">HH", 0x4400, len(located)),
                *(
                    struct.pack(">HHHHII", number, method, 0, 1, at, length)
                    for number, method, at, length in located
                ),
                version=1,
            ),
            full(
                b"iinf",
                struct.pack(">H", 1 + len(tiles)),
                full(b"infe", struct.pack(">HH", 1, 0), b"grid\0", version=2),
                *(
                    full(b"infe", struct.pack(">HH", number, 0), b"av01\0", version=2, flags=1)
                    for number in tiles
                ),
            ),
            full(b"iref", box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *tiles))),
            box(b"iprp", properties, full(b"ipma", struct.pack(">I", len(used)), associations)),
            box(b"idat", grid, coded if inside else b""),
        )

    brands = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    if inside:
        return brands + meta(len(grid))
    behind = len(brands) + len(meta(0))
    # The size of this box has 64 bits: its content begins at byte 16.
    return brands + meta(behind + 16) + struct.pack(">I4sQ", 1, b"mdat", 16 + len(coded)) + coded
