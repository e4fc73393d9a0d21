"""The canvas size and the first frame of a WebP (RFC 9649, 2.5 to 2.7)."""

from pipeline.errors import ImageCorrupt
from pipeline.image.headers.walker import Reader, riff_chunk, walk

_FIRST_CHUNK = 12  # after "RIFF", a size and "WEBP"
_ANIMATION_FLAG = 0x02
# An extended header that announces an alpha plane. The canvas size follows it.
_VP8X = b"VP8X\x0a\0\0\0\x10\0\0\0"

# The chunks before the first frame of an animation. Real files have three; 20 MB hold 2,500,000
# empty ones.
_MAX_CHUNKS = 1_000


def read_canvas_size(data: bytes) -> tuple[int, int]:
    """Return width and height from the first chunk, as libwebp does. Raises ImageCorrupt.

    An extended file must begin with a VP8X chunk. In any other file the first chunk is the image.
    """
    match data[12:16]:
        case b"VP8X":
            reader = Reader(data, 24, len(data), "little")
            return 1 + reader.number(3), 1 + reader.number(3)
        case b"VP8L":
            bits = Reader(data, 21, len(data), "little").number(4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            reader = Reader(data, 26, len(data), "little")
            return reader.number(2) & 0x3FFF, reader.number(2) & 0x3FFF
    raise ImageCorrupt


def first_frame(data: bytes) -> tuple[int, int, bytes]:
    """Return left, top, and a still WebP of the first frame: the file itself if it is still.

    Raises ImageCorrupt if an animation has no frame.
    """
    if data[12:16] != b"VP8X" or not data[20:21] or not data[20] & _ANIMATION_FLAG:
        return 0, 0, data
    for chunk in walk(Reader(data, _FIRST_CHUNK, len(data)), riff_chunk, _MAX_CHUNKS):
        if chunk.kind == b"ANMF":
            # Left, top, width, height, duration (3 bytes each), flags, then the frame's own chunks.
            reader = Reader(data, chunk.start, len(data), "little")
            left, top = 2 * reader.number(3), 2 * reader.number(3)
            size = reader.take(6)
            chunks = _VP8X + size + data[chunk.start + 16 : chunk.end]
            riff = b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP"
            return left, top, riff + chunks
    raise ImageCorrupt
