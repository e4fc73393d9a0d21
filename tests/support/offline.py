"""Serve a Bento without a network: `python -m tests.support.offline TARGET FILE`.

Runs in a network namespace of its own, which has loopback alone. Uploads the image FILE, writes the
response to standard output, and exits with 0 if it and the page at / have status 200.
"""

import fcntl
import socket
import struct
import sys
from pathlib import Path

from tests.support.serving import serve

# linux/sockios.h and linux/if.h.
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def raise_loopback() -> None:
    """Bring loopback up: it is down in a new namespace."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


if __name__ == "__main__":
    raise_loopback()
    with serve(sys.argv[1], cwd=Path("/")) as server:
        response = server.upload(Path(sys.argv[2]).read_bytes())
        page = server.get("/")
    sys.stdout.buffer.write(response.content)
    sys.exit(not response.status_code == page.status_code == 200)
