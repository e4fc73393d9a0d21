"""The memory that an AV1 decoder needs, from the headers of a bitstream.

The decoder obeys these headers, whatever the boxes around them declare. Section numbers refer to
the AV1 Bitstream & Decoding Process Specification.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.errors import ImageCorrupt

# Types of open bitstream units (6.2.2). A redundant frame header counts, because it may come first.
_SEQUENCE_HEADER, _FRAME_HEADERS = 1, (3, 6, 7)
_KEY_FRAME, _SWITCH_FRAME = 0, 3  # frame types (6.8.2)
_SELECT = 2  # each frame has its own value (SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV)

# The units of one image. A still image has three, a layered one about ten.
_MAX_UNITS = 1_000
# The frames of one image. A still image has one per layer, at most four.
_MAX_FRAMES = 32
# The bytes of a header that are read. 32 operating points of up to 13 bytes are its longest part.
_HEADER_BYTES = 1_024


@dataclass(frozen=True)
class Stream:
    """What decoding a bitstream may need.

    `pixels` are those of the largest frame, `bytes_per_pixel` those of a frame's planes. `frames`
    counts every decoded frame, because a decoder may keep it as a reference, and one more if film
    grain is applied to a copy.
    """

    pixels: int
    bytes_per_pixel: float
    frames: int


@dataclass(frozen=True)
class _Sequence:
    """The fields of a sequence header (5.5) that frames depend on.

    `size` is (width, height), `max_size` the largest size that a frame header can express.
    """

    size: tuple[int, int]
    max_size: tuple[int, int]
    bytes_per_pixel: float
    has_grain: bool
    is_reduced: bool
    time_bits: int  # the length of a presentation time, 0 if frames have none
    id_bits: int
    screen_content: int
    integer_motion: int


class _Bits:
    """Reads numbers bit by bit, most significant first (4.10). Raises ImageCorrupt at the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def __call__(self, count: int = 1) -> int:
        self._left -= count
        if self._left < 0:
            raise ImageCorrupt
        return self._value >> self._left & (1 << count) - 1

    def skip_uvlc(self) -> None:
        zeros = 0
        while not self():
            zeros += 1
        if zeros < 32:
            self(zeros)


def bytes_per_pixel(bit_depth: int, is_gray: bool, across: int = 1, down: int = 1) -> float:
    """Return the bytes per pixel of the planes.

    They are one of brightness and, unless gray, two of color, subsampled by `across` and `down` (1
    or 2). A sample of more than 8 bits takes 2 bytes.
    """
    return (1 if is_gray else 1 + 2 / (across * down)) * (2 if bit_depth > 8 else 1)


def read_stream(data: bytes | memoryview, configuration: bytes = b"") -> Stream:
    """Return what decoding `data` may need.

    `configuration` holds the units of its av1C box. Every sequence header counts.

    Raises ImageCorrupt if `data` has no sequence header, or if a header cannot be read.
    """
    sequences = [
        _read_sequence(body) for kind, body in _units(configuration) if kind == _SEQUENCE_HEADER
    ]
    sizes = [sequence.size for sequence in sequences]
    current: _Sequence | None = None
    frames = 0
    for kind, body in _units(data):
        if kind == _SEQUENCE_HEADER:
            current = _read_sequence(body)
            sequences.append(current)
            sizes.append(current.size)
        elif kind in _FRAME_HEADERS and current is not None:
            sizes_of_frame = _frame_sizes(_Bits(body), current)
            frames += len(sizes_of_frame)
            sizes += sizes_of_frame
    if current is None or frames > _MAX_FRAMES:
        raise ImageCorrupt
    frames = max(frames, 1) + any(sequence.has_grain for sequence in sequences)
    return Stream(
        max(width * height for width, height in sizes),
        max(each.bytes_per_pixel for each in sequences),
        frames,
    )


def _units(data: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the first bytes of each open bitstream unit (5.3)."""
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(data):
            return
        header = data[at]
        at += 2 if header & 0b100 else 1
        size, read = _leb128(data, at) if header & 0b10 else (len(data) - at, 0)
        at += read
        if size < 0 or at + size > len(data):
            raise ImageCorrupt
        yield header >> 3 & 0b1111, bytes(data[at : at + min(size, _HEADER_BYTES)])
        at += size
    raise ImageCorrupt


def _leb128(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return a number of 7 bits per byte, least significant first, and its length (4.10.5)."""
    value = 0
    for read, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * read
        if not byte & 0x80:
            return value, read + 1
    raise ImageCorrupt


def _read_sequence(body: bytes) -> _Sequence:
    """Read a sequence_header_obu (5.5.1), in the order of its syntax."""
    bits = _Bits(body)
    profile, _, is_reduced = bits(3), bits(), bool(bits())
    time_bits = 0
    if is_reduced:
        bits(5)
    else:
        time_bits = _skip_operating_points(bits)
    width_bits, height_bits = bits(4) + 1, bits(4) + 1
    size = bits(width_bits) + 1, bits(height_bits) + 1
    id_bits, screen_content, integer_motion = 0, _SELECT, _SELECT
    if not is_reduced and bits():
        delta_bits = bits(4) + 2
        id_bits = delta_bits + bits(3) + 1
    bits(3)
    if not is_reduced:
        bits(4)
        has_order_hint = bits()
        if has_order_hint:
            bits(2)
        screen_content = _SELECT if bits() else bits()
        if screen_content:
            integer_motion = _SELECT if bits() else bits()
        if has_order_hint:
            bits(3)
    bits(3)
    max_size = 1 << width_bits, 1 << height_bits
    color_bytes = _color_bytes(bits, profile)
    has_grain = bool(bits())
    return _Sequence(
        size,
        max_size,
        color_bytes,
        has_grain,
        is_reduced,
        time_bits,
        id_bits,
        screen_content,
        integer_motion,
    )


def _skip_operating_points(bits: _Bits) -> int:
    """Skip timing and operating points (5.5.1 to 5.5.5). Return the bits of a presentation time."""
    delay_bits = time_bits = 0
    has_decoder_model = False
    if bits():
        bits(32), bits(32)
        is_equal_interval = bits()
        if is_equal_interval:
            bits.skip_uvlc()
        has_decoder_model = bool(bits())
        if has_decoder_model:
            delay_bits = bits(5) + 1
            bits(32), bits(5)
            stated_bits = bits(5) + 1
            time_bits = 0 if is_equal_interval else stated_bits
    has_initial_delay = bits()
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:
            bits()
        if has_decoder_model and bits():
            bits(2 * delay_bits + 1)
        if has_initial_delay and bits():
            bits(4)
    return time_bits


def _color_bytes(bits: _Bits, profile: int) -> float:
    """Read a color_config (5.5.2). Return the bytes per pixel of its planes."""
    depth = 8
    if bits():
        depth = 12 if profile == 2 and bits() else 10
    is_gray = profile != 1 and bool(bits())
    description = (bits(8), bits(8), bits(8)) if bits() else None
    if is_gray:
        bits()
        return bytes_per_pixel(depth, is_gray=True)
    if description == (1, 13, 0):  # sRGB: its planes are not subsampled
        across, down = 1, 1
    else:
        bits()
        across, down = {0: (2, 2), 1: (1, 1)}.get(profile, (2, 1))
        if profile == 2 and depth == 12:
            across = 2 if bits() else 1
            down = 2 if across == 2 and bits() else 1
    if across == down == 2:
        bits(2)
    bits()
    return bytes_per_pixel(depth, is_gray=False, across=across, down=down)


def _frame_sizes(bits: _Bits, sequence: _Sequence) -> list[tuple[int, int]]:
    """Return the largest size of a frame with this header (5.9.2).

    The list is empty if the header only shows an earlier frame again.
    """
    if sequence.is_reduced:
        return [sequence.size]
    if bits():
        return []
    return [sequence.max_size if _has_own_size(bits, sequence) else sequence.size]


def _has_own_size(bits: _Bits, sequence: _Sequence) -> bool:
    """Return frame_size_override_flag. The reader is after show_existing_frame."""
    frame_type, is_shown = bits(2), bits()
    if is_shown:
        bits(sequence.time_bits)
    else:
        bits()
    if frame_type == _SWITCH_FRAME:
        return True
    if not (frame_type == _KEY_FRAME and is_shown):
        bits()
    bits()
    uses_screen_content = bits() if sequence.screen_content == _SELECT else sequence.screen_content
    if uses_screen_content and sequence.integer_motion == _SELECT:
        bits()
    bits(sequence.id_bits)
    return bool(bits())
