"""Serve a target in a network namespace of its own, where there is no network but loopback: `python -m tests.support.offline TARGET FILE`.

Cuts the picture FILE out by upload, writes the answer to standard output, and exits with 0 if it, and the page at /, were answered
with 200.
"""

import fcntl
import socket
import struct
import sys
from pathlib import Path

from tests.support.serving import serve

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def raise_loopback() -> None:
    """Bring loopback up: a new namespace has it down."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


if __name__ == "__main__":
    raise_loopback()
    with serve(sys.argv[1], cwd=Path("/")) as server:
        response = server.upload(Path(sys.argv[2]).read_bytes())
        page = server.get("/")
    sys.stdout.buffer.write(response.content)
    sys.exit(not response.status_code == page.status_code == 200)
