"""HEIC -> Pillow's image or planes, decoded in another process."""

import importlib.util
import sys
import threading
import time
from dataclasses import replace

from PIL import Image

from pipeline.errors import ImageCorrupt, OutOfMemory
from pipeline.image.color_codes import icc_profile
from pipeline.image.heif import child
from pipeline.image.heif.process import ChildError, HeifProcess
from pipeline.image.pillow_errors import pillow_errors
from pipeline.image.planes import LIMITED_LUMA, Planes, weights_of

# The modes that libheif's pixels may have, and what Pillow calls them without premultiplied alpha.
_MODES = {"L": "L", "LA": "LA", "La": "LA", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA"}

# What Python and the libraries take in the process, in bytes.
PROCESS_BYTES = 22_000_000

# What a HEIC that is handed over as RGB leaves free of the budget of decoding one image, because
# its price is that of two processes. 17 megapixels in 10 bits remain.
KEPT_FREE_BYTES = 75_000_000

# What the process may take besides its planes and pixels: stacks, tiles, the file, profiles.
_FIXED_BYTES = 60_000_000
_MOST_BYTES = 400_000_000

# Seconds of processor time: 12 megapixels take 0.4, so this is five times as much. A file that is
# hardly compressed takes longer. On half a processor, the same work takes twice as long.
_CPU_SECONDS = 1
_PIXELS_OR_BYTES_PER_CPU_SECOND = 5_000_000
_SECONDS_PER_CPU_SECOND = 3

_STRIP_BYTES = 1 << 20
_MOST_PROFILE_BYTES = 4 << 20


class HeifDecoder:
    """Decodes one HEIC at a time. Its process is started when needed, and kept for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: HeifProcess | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process, if there is one."""
        return None if self._process is None else self._process.pid

    def decode(
        self, data: bytes, pixels: int, memory: int, in_planes: bool = False
    ) -> Image.Image | Planes:
        """Return the primary image, upright, in mode L, LA, RGB or RGBA, 8 bits per channel.

        With `in_planes`, return its samples in 4:2:0. It may have as many `pixels` and need as many
        bytes of `memory` as its header declares; the pixels bound the time too. It has an ICC
        profile (an image, in `info`) if it is not in sRGB.

        Raises ImageCorrupt, also if the process dies or takes too long, and OutOfMemory if it
        cannot be started.
        """
        with self._lock:
            process = self._started()
            try:
                image = _decoded(process, data, pixels, memory, in_planes)
            except ChildError as exc:
                self._end()
                raise ImageCorrupt from exc
            except BaseException:
                self._end()  # what is left of the reply would be taken for the next one
                raise
        if image is None:
            raise ImageCorrupt
        return image

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> HeifProcess:
        if self._process is None or not self._process.is_usable:
            self._end()
            try:
                self._process = HeifProcess(_MOST_BYTES)
            except OSError as exc:  # fork fails if memory is short
                raise OutOfMemory from exc
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


def find_decoder() -> HeifDecoder | None:
    """Return a decoder if the extra `heif` is installed, on Linux, whose limits it needs."""
    is_there = sys.platform == "linux" and importlib.util.find_spec("pillow_heif") is not None
    return HeifDecoder() if is_there else None


def _decoded(
    process: HeifProcess, data: bytes, pixels: int, memory: int, in_planes: bool
) -> Image.Image | Planes | None:
    """Return the image, or None if libheif cannot decode it. Raises ChildError."""
    seconds = _CPU_SECONDS + (pixels + len(data)) // _PIXELS_OR_BYTES_PER_CPU_SECOND
    deadline = time.monotonic() + _SECONDS_PER_CPU_SECOND * (seconds + 1)
    process.request(data, in_planes, memory + _FIXED_BYTES, seconds, deadline)
    reply = child.REPLY.unpack(process.read(child.REPLY.size))
    width, height, mode, primaries, transfer, matrix, is_full_range, profile_bytes = reply
    if width == 0:
        return None
    is_as_declared = 0 < width * height <= pixels and profile_bytes <= _MOST_PROFILE_BYTES
    if not is_as_declared or (mode == child.PLANES) != in_planes:
        raise ChildError
    profile = process.read(profile_bytes) or icc_profile(primaries, transfer)
    if in_planes:
        planes = _read_planes(process, (width, height), matrix, is_full_range)
        return replace(planes, profile=profile)
    stored = mode.decode("ascii", "replace").strip()
    image = _read_pixels(process, stored, (width, height))
    if profile is not None:
        image.info["icc_profile"] = profile
    return image


def _read_planes(
    process: HeifProcess, size: tuple[int, int], matrix: int, is_full_range: bool
) -> Planes:
    weights = weights_of(matrix, is_full_range)
    if weights is None:
        raise ChildError
    half = (size[0] + 1) // 2, (size[1] + 1) // 2
    luma = _read_pixels(process, "L", size, None if is_full_range else LIMITED_LUMA)
    return Planes(luma, _read_pixels(process, "L", half), _read_pixels(process, "L", half), weights)


def _read_pixels(
    process: HeifProcess, stored: str, size: tuple[int, int], table: list[int] | None = None
) -> Image.Image:
    """Read the rows strip by strip, so that the pixels are never here twice.

    `table` maps stored samples to those of the image.
    """
    if stored not in _MODES:
        raise ChildError
    width, height = size
    mode = _MODES[stored]
    row_bytes = width * len(stored)  # a letter per channel of 8 bits
    rows = max(1, _STRIP_BYTES // row_bytes)
    strip = memoryview(bytearray(rows * row_bytes))
    with pillow_errors():
        image = Image.new(mode, size)
    for top in range(0, height, rows):
        part = strip[: min(rows, height - top) * row_bytes]
        process.read_into(part)
        with pillow_errors():
            read = Image.frombytes(stored, (width, len(part) // row_bytes), part)
            if table is not None:
                read = read.point(table)
            image.paste(read if stored == mode else read.convert(mode), (0, top))
    return image
