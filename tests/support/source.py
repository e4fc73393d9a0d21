"""Serve images on loopback, and faults that are valid HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long /slow waits: longer than the `service` fixture allows for a download.
SLOW_SECONDS = 3.0


class Source(ThreadingHTTPServer):
    """A web server on loopback: its `files` by path, and the requests that it received."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def port(self) -> int:
        """The port on loopback."""
        return self.server_port

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection, as they should on a fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Source

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        path, _, query = self.path.partition("?")
        if path in self.server.files:
            self._respond(200, self.server.files[path])
        elif path.startswith("/status/"):
            self._respond(int(path.removeprefix("/status/")), b"no image")
        elif path.startswith("/redirect/"):
            left = int(path.removeprefix("/redirect/"))
            self._redirect(f"/redirect/{left - 1}" if left > 1 else "/photo.jpg")
        elif path == "/to":
            self._redirect(query)
        elif path == "/gzip":
            self._respond(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
        elif path == "/slow":
            time.sleep(SLOW_SECONDS)
            self._respond(200, self.server.files["/photo.jpg"])
        elif path == "/drip":
            self._drip()
        elif path == "/endless":
            self._endless()
        elif path == "/short":
            self._respond(200, b"only this", {"Content-Length": "1000"})
        else:
            self._respond(404, b"")

    def _respond(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)
        self.close_connection = True

    def _redirect(self, location: str) -> None:
        self._respond(302, b"", {"Location": location, "Set-Cookie": "a=b"})

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
            self.wfile.write(bytes(65_536))

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_images(photo: bytes) -> Iterator[Source]:
    """Serve `photo` at /photo.jpg, and faults at other paths."""
    with Source({"/photo.jpg": photo}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
