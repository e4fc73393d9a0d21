"""Clients that send their upload slowly, or do not read their response."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.support.raw_http import upload_request
from tests.support.serving import Server

MB = 1_000_000

# The slow senders' speed, per second. The service allows 32 KB in 2 s.
_DRIP = 1_000
# The smallest receive buffer. The kernel would hold megabytes of an unread response.
_RECEIVE_BUFFER = 4096


@contextlib.contextmanager
def slow_senders(
    server: Server, count: int, first: int = 1, declared: int = 20 * MB
) -> Iterator[list[socket.socket]]:
    """Open connections that declare a large upload, send its `first` bytes, then 1 KB/s."""
    request = upload_request(bytes(declared - 10_000))
    start = request.index(b"\r\n\r\n") + 4 + first
    end = threading.Event()

    def drip(connections: list[socket.socket]) -> None:
        at = start
        while not end.wait(1):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(request[at : at + _DRIP])
            at += _DRIP

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(60)) for _ in range(count)]
        for connection in connections:
            connection.sendall(request[:start])
        thread = threading.Thread(target=drip, args=(connections,))
        thread.start()
        try:
            yield connections
        finally:
            end.set()
            thread.join()


@contextlib.contextmanager
def slow_readers(server: Server, image: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that send a whole upload and do not read the response."""
    request = upload_request(image, b"Connection: close")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.socket()) for _ in range(count)]
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(request)
        yield connections
