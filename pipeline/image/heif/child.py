"""The process that decodes HEIC. It runs as a script, and imports nothing else of the project.

A request on standard input is `REQUEST` and the file; the reply on standard output is `REPLY`, the
ICC profile, and the rows of pixels from top to bottom, or three planes of samples. The process ends
if its input ends, or after `IDLE_SECONDS` without a request.
"""

import contextlib
import ctypes
import importlib
import os
import resource
import select
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

# Bytes of the file; bytes of memory and seconds of processor time that decoding it may take;
# whether its samples are wanted, instead of pixels.
REQUEST = struct.Struct(">QQI?")

# Width and height, Pillow's mode (8 bits per channel) or PLANES, color primaries, transfer
# characteristics and matrix coefficients (ITU-T H.273; 0 if unknown), whether samples have the full
# range, bytes of the ICC profile. All zero: the file cannot be decoded.
REPLY = struct.Struct(">II4sHHH?I")

# Three planes in 4:2:0: luma, and the differences of blue and red.
PLANES = b"420 "

# An idle process holds 20 MB; to start one takes 0.1 to 0.2 s.
IDLE_SECONDS = 10

_INPUT, _OUTPUT = 0, 1


def confine(most_memory: int) -> BinaryIO:
    """Give up files, network, and more than `most_memory` bytes of new memory, for good.

    Without a single free file descriptor, no file and no socket can be opened. Returns the open
    file that has the process' size in its first field, in pages.
    """
    size = Path("/proc/self/statm").open("rb", buffering=0)  # noqa: SIM115
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: _address_space(size) + most_memory,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    return size


def _address_space(size: BinaryIO) -> int:
    size.seek(0)
    return int(size.read(100).split()[0]) * resource.getpagesize()


def allow_most() -> None:
    """Allow all the memory that there may be, for a file that arrives."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def allow(size: BinaryIO, memory: int, seconds: int) -> None:
    """Allow that much new memory, in bytes, and processor time. The kernel enforces both."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (min(most, _address_space(size) + memory), most))
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def decode(
    data: bytearray, in_planes: bool, memory: contextlib.ExitStack
) -> tuple[bytes, bytes, list[memoryview]]:
    """Return the reply, the ICC profile, and the pixels or planes of a file's primary image.

    They are valid until `memory` is closed. Raises whatever `pillow-heif` raises, and ValueError.
    """
    import pillow_heif

    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    profile: bytes = file.info.get("icc_profile") or b""
    colors: dict[str, Any] = file.info.get("nclx_profile") or {}
    primaries = int(colors.get("color_primaries", 0))
    transfer = int(colors.get("transfer_characteristics", 0))
    if in_planes:
        samples = Samples(data, memory)
        size, mode, matrix = samples.size(0), PLANES, samples.matrix()
        parts = [samples.plane(channel) for channel in range(3)]
    else:
        parts = [memoryview(file.data)]  # decodes; the size is final only then
        size, mode, matrix = file.size, file.mode.encode().ljust(4), (0, True)
    reply = REPLY.pack(*size, mode, primaries, transfer, *matrix, len(profile))
    return reply, profile, parts


class _Error(ctypes.Structure):
    """heif_error, which libheif's functions return."""

    _fields_ = (("code", ctypes.c_int), ("subcode", ctypes.c_int), ("text", ctypes.c_char_p))


class _Nclx(ctypes.Structure):
    """The first fields of heif_color_profile_nclx."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("primaries", ctypes.c_int),
        ("transfer", ctypes.c_int),
        ("matrix", ctypes.c_int),
        ("is_full_range", ctypes.c_uint8),
    )


class Samples:
    """The samples of a file's primary image in 4:2:0, which pillow-heif does not return.

    Channels are 0 for luma, 1 for the difference of blue, and 2 for that of red.
    """

    # heif_colorspace_YCbCr and heif_chroma_420.
    _COLORSPACE, _CHROMA = 0, 1

    def __init__(self, data: bytearray, memory: contextlib.ExitStack) -> None:
        """Decode a file. The samples are valid until `memory` is closed. Raises ValueError."""
        # Names are looked up in the libraries that this one is linked to, too.
        self._libheif = ctypes.CDLL(importlib.import_module("_pillow_heif").__file__)
        self._image = ctypes.c_void_p()
        context = ctypes.c_void_p(self._pointer("heif_context_alloc"))
        memory.callback(self._libheif.heif_context_free, context)
        self._libheif.heif_context_set_max_decoding_threads(context, 1)
        file = (ctypes.c_char * len(data)).from_buffer(data)
        size = ctypes.c_size_t(len(data))
        self._call("heif_context_read_from_memory_without_copy", context, file, size, None)
        handle = ctypes.c_void_p()
        self._call("heif_context_get_primary_image_handle", context, ctypes.byref(handle))
        memory.callback(self._libheif.heif_image_handle_release, handle)
        wanted = self._COLORSPACE, self._CHROMA, None
        self._call("heif_decode_image", handle, ctypes.byref(self._image), *wanted)
        memory.callback(self._libheif.heif_image_release, self._image)

    def size(self, channel: int) -> tuple[int, int]:
        """Return the width and height of a plane."""
        sides = self._libheif.heif_image_get_width, self._libheif.heif_image_get_height
        width, height = (side(self._image, channel) for side in sides)
        return width, height

    def plane(self, channel: int) -> memoryview:
        """Return the samples of a plane, one byte each. Raises ValueError."""
        if self._libheif.heif_image_get_bits_per_pixel_range(self._image, channel) != 8:
            raise ValueError(channel)
        width, height = self.size(channel)
        stride = ctypes.c_size_t()
        start = self._pointer("heif_image_get_plane2", self._image, channel, ctypes.byref(stride))
        for row in range(1, height):  # what pads the rows to the stride is overwritten
            ctypes.memmove(start + row * width, start + row * stride.value, width)
        return memoryview((ctypes.c_ubyte * (width * height)).from_address(start))

    def matrix(self) -> tuple[int, bool]:
        """Return the matrix coefficients, and whether the samples have the full range."""
        colors = ctypes.POINTER(_Nclx)()
        try:
            self._call("heif_image_get_nclx_color_profile", self._image, ctypes.byref(colors))
        except ValueError:  # none is known
            return 2, True
        found = colors.contents.matrix, bool(colors.contents.is_full_range)
        self._libheif.heif_nclx_color_profile_free(colors)
        return found

    def _call(self, name: str, *arguments: object) -> None:
        function = self._libheif[name]
        function.restype = _Error
        if function(*arguments).code != 0:
            raise ValueError(name)

    def _pointer(self, name: str, *arguments: object) -> int:
        function = self._libheif[name]
        function.restype = ctypes.c_void_p
        found = function(*arguments)
        if found is None:
            raise ValueError(name)
        return int(found)


def serve(most_memory: int) -> None:
    """Answer requests until the input ends."""
    from pillow_heif import options

    options.DECODE_THREADS = 1  # 60 MB instead of 230, and 0.4 s instead of 0.3, at 12 megapixels
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    size = confine(most_memory)
    while select.select([_INPUT], [], [], IDLE_SECONDS)[0]:
        header = _read(REQUEST.size)
        if not header:
            return
        length, memory, seconds, in_planes = REQUEST.unpack(header)
        allow_most()
        data = _read(length)
        allow(size, memory, seconds)
        _answer(data, in_planes)
        del data


def _answer(data: bytearray, in_planes: bool) -> None:
    """Decode a file and write the reply. Nothing of the image is left in memory."""
    with contextlib.ExitStack() as memory:
        try:
            reply, profile, parts = decode(data, in_planes, memory)
        except Exception:  # libheif's errors, and whatever else a damaged file leads to
            reply, profile, parts = bytes(REPLY.size), b"", []
        _write(reply + profile)
        for part in parts:
            _write(part)


def _read(size: int) -> bytearray:
    """Return `size` bytes of the input, or none if the input ends."""
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = os.readv(_INPUT, [rest])
        if count == 0:
            return bytearray()
        rest = rest[count:]
    return data


def _write(data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(_OUTPUT, rest) :]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
