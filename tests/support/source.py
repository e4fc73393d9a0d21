"""Serve images on loopback, and faults that are valid HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long /slow waits: longer than the `service` fixture allows for a download.
SLOW_SECONDS = 3.0


@dataclass
class Source:
    """A web server on loopback: its `files` by path, and the requests that it received."""

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def serve_images(photo: bytes) -> Iterator[Source]:
    """Serve `photo` at /photo.jpg, and faults at other paths."""
    served = Source(files={"/photo.jpg": photo})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            if path.startswith("/status/"):
                self._answer(int(path.removeprefix("/status/")), b"no image")
            elif path.startswith("/redirect/"):
                left = int(path.removeprefix("/redirect/"))
                self._answer(
                    302, b"", {"Location": f"/redirect/{left - 1}" if left > 1 else "/photo.jpg"}
                )
            elif path == "/to":
                self._answer(
                    302, b"", {"Location": self.path.partition("?")[2], "Set-Cookie": "a=b"}
                )
            elif path == "/gzip":
                self._answer(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
            elif path == "/slow":
                time.sleep(SLOW_SECONDS)
                self._answer(200, served.files["/photo.jpg"])
            elif path == "/drip":
                self._drip()
            elif path == "/endless":
                self._endless()
            elif path == "/short":
                self._answer(200, b"only this", {"Content-Length": "1000"})
            elif path in served.files:
                self._answer(200, served.files[path])
            else:
                self._answer(404, b"")

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if status not in (204, 304):
                self.wfile.write(body)
            self.close_connection = True

        def _drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b"\xff")
                self.wfile.flush()
                time.sleep(0.2)

        def _endless(self) -> None:
            self.send_response(200)
            self.end_headers()
            for _ in range(100_000):
                self.wfile.write(b"\0" * 65536)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # the client closed the connection, as it should on a fault

    server = Quiet(("127.0.0.1", 0), Handler)
    served.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
