"""A web server on loopback, for pictures by URL."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long a slow source waits before it answers, in seconds.
SLOWNESS = 0.3


class Source(ThreadingHTTPServer):
    """Serves `files` by path: at once, or SLOWNESS later under /slow."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Source

    def do_GET(self) -> None:
        if self.path.startswith("/slow/"):
            time.sleep(SLOWNESS)
        content = self.server.files.get("/" + self.path.rpartition("/")[2])
        self.send_response(404 if content is None else 200)
        content = content or b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Source]:
    """Serve until the block ends."""
    source = Source(files)
    threading.Thread(target=source.serve_forever, daemon=True).start()
    try:
        yield source
    finally:
        source.shutdown()
        source.server_close()
