"""The process that decodes HEIC. It runs as a script, and imports nothing else of the project.

A request on standard input is `REQUEST` and the file; the reply on standard output is `REPLY`, the
ICC profile, and the rows of pixels from top to bottom. The process ends if its input ends, or after
`IDLE_SECONDS` without a request.
"""

import os
import resource
import select
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

# Bytes of the file; bytes of memory and seconds of processor time that decoding it may take.
REQUEST = struct.Struct(">QQI")

# Width and height, Pillow's mode (8 bits per channel), color primaries and transfer
# characteristics (ITU-T H.273; 0 without an nclx box), bytes of the ICC profile. All zero: the file
# cannot be decoded.
REPLY = struct.Struct(">II4sHHI")

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


def decode(data: bytearray) -> tuple[bytes, bytes, memoryview]:
    """Return the reply, the ICC profile and the pixels of a file's primary image.

    Raises whatever `pillow-heif` raises.
    """
    import pillow_heif

    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    pixels = memoryview(file.data)
    profile: bytes = file.info.get("icc_profile") or b""
    colors: dict[str, Any] = file.info.get("nclx_profile") or {}
    reply = REPLY.pack(
        *file.size,
        file.mode.encode().ljust(4),
        int(colors.get("color_primaries", 0)),
        int(colors.get("transfer_characteristics", 0)),
        len(profile),
    )
    return reply, profile, pixels


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
        length, memory, seconds = REQUEST.unpack(header)
        allow_most()
        data = _read(length)
        allow(size, memory, seconds)
        _answer(data)
        del data


def _answer(data: bytearray) -> None:
    """Decode a file and write the reply. Nothing of the image is left in memory."""
    try:
        reply, profile, pixels = decode(data)
    except Exception:  # libheif's errors, and whatever else a damaged file leads to
        _write(bytes(REPLY.size))
        return
    for part in (reply, profile, pixels):
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
