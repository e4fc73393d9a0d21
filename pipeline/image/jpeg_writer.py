"""Writes a JPEG in strips of rows, each encoded on its own, on every processor.

A strip ends where a row of MCUs (minimum coded units) ends. A baseline scan may be divided by
restart markers, where the entropy coder starts anew as it does at the start of a scan (ITU-T T.81,
E.1.4, F.1.1.5.1). So the scans of the strips, joined by these markers, are the scan of the whole.
All strips have the same tables, and nothing in the encoder looks across MCUs: every coefficient is
that of an image encoded at once.
"""

import io

from PIL import Image

from pipeline.errors import FormatUnsupported
from pipeline.image.png import Rows
from pipeline.image.strips import SERIAL, Strips

# libjpeg's JPEG_MAX_DIMENSION. The format's own limit is 65,535.
MAX_SIDE = 65_500
QUALITY = 90
_SUBSAMPLING = "4:2:0"

# The side of an MCU in pixels by the number of channels: one block of 8 × 8 samples for gray; with
# 4:2:0, 2 × 2 blocks of luminance (T.81, A.2).
_MCU_SIDES = {1: 8, 3: 16}

# Markers (T.81, table B.1).
_FRAME, _SCAN = 0xC0, 0xDA
_RESTART_INTERVAL = b"\xff\xdd\0\4"  # with its length (B.2.4.4)
_FIRST_RESTART, _RESTARTS = 0xD0, 8  # RST0 to RST7, in turn (B.1.1.3)
_END = b"\xff\xd9"


def write_jpeg(
    rows: Rows, width: int, height: int, channels: int, strips: Strips = SERIAL
) -> bytes:
    """Encode an image of 8 bits per channel: 1 (gray) or 3 (RGB), at quality 90 and 4:2:0.

    Several threads call `rows` at the same time.

    Raises FormatUnsupported, before it asks for a row, over 65,500 pixels on a side.
    """
    if max(width, height) > MAX_SIDE:
        raise FormatUnsupported
    side = _MCU_SIDES[channels]

    def encode_strip(top: int, bottom: int) -> tuple[bytes, int]:
        strip = rows(top, bottom)
        file = io.BytesIO()
        image = Image.fromarray(strip if channels > 1 else strip[..., 0])
        image.save(file, "JPEG", quality=QUALITY, subsampling=_SUBSAMPLING)
        return file.getvalue(), bottom - top

    file = io.BytesIO()
    encoded = strips.map(encode_strip, height, width, multiple=side)
    for number, (strip, strip_rows) in enumerate(encoded):
        frame_at, scan_at = _find_segments(strip)
        entropy_coded_at = _end_of_segment(strip, scan_at)
        if number == 0:
            # All strips but the last have as many MCUs: at most 8,188, by the strips' size.
            interval = -(-width // side) * -(-strip_rows // side)
            file.write(strip[: frame_at + 5] + height.to_bytes(2, "big"))
            file.write(strip[frame_at + 7 : scan_at])
            file.write(_RESTART_INTERVAL + interval.to_bytes(2, "big"))
            file.write(strip[scan_at:entropy_coded_at])
        else:
            file.write(bytes((0xFF, _FIRST_RESTART + (number - 1) % _RESTARTS)))
        file.write(memoryview(strip)[entropy_coded_at : -len(_END)])
    file.write(_END)
    return file.getvalue()


def _find_segments(jpeg: bytes) -> tuple[int, int]:
    """Return where the frame's header (B.2.2) begins in a JPEG of libjpeg, and where the scan's."""
    at, frame_at = 2, 0
    while jpeg[at + 1] != _SCAN:
        if jpeg[at + 1] == _FRAME:
            frame_at = at
        at = _end_of_segment(jpeg, at)
    return frame_at, at


def _end_of_segment(jpeg: bytes, at: int) -> int:
    """Return where a segment ends: a marker, and a length that includes itself (B.1.1.4)."""
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
