"""Fixtures: real pictures, a real source of them on loopback, a real `bentoml serve`, and the installed model."""

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bentoml
import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.weights import SAMPLE
from pipeline.weights.fetch import find_weights
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from tests.support.serving import Server, serve

# The same examples in every run, however slow the machine.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tests")


async def freely(_: int) -> None:
    """Hold as much as one likes: what a download asks for its bytes, where nobody bounds them."""


# pytest's `record_property`, as we use it: a figure's name and value, of which the greatest is the worst.
Record = Callable[[str, float], None]

ROOT = Path(__file__).parent.parent
# Photos, references and hostile files that are not part of the project; what needs them is skipped without them.
DATA = Path(os.environ.get("TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of outside test data."""
    if not DATA.is_dir():
        pytest.skip(f"needs the outside test data (TEST_DATA={DATA.name})")
    return DATA


def needed(program: str, package: str) -> str:
    """The path of a program that Debian has in `package`; what needs it is skipped without it."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"needs {program}: apt install {package}")
    return path


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own checker of configurations, rules and metrics."""
    return needed("promtool", "prometheus")


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A real photo with a clear subject: the astronaut Eileen Collins (NASA, public domain), 512 × 512 JPEG."""
    return SAMPLE.read_bytes()


@pytest.fixture(scope="session")
def model_file() -> Path:
    """The prepared model in BentoML's store."""
    return Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE


@pytest.fixture(scope="session")
def segmenter(model_file: Path) -> U2netpSegmenter:
    """The real model."""
    return U2netpSegmenter(model_file, threads=2)


@pytest.fixture(scope="session")
def rembg_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """rembg's own u2netp, the reference that defines the mask, on the original weights in a cache of its own."""
    import rembg

    home = tmp_path_factory.mktemp("rembg")
    (home / "models" / "u2netp").mkdir(parents=True)
    (home / "models" / "u2netp" / "u2netp.onnx").write_bytes(find_weights().content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("U2NET_HOME", str(home))
        yield rembg.new_session("u2netp")


@pytest.fixture(scope="session")
def wide_gamut() -> bytes:
    """An ICC profile (version 2, three matrix columns and one gamma) of colours wider than sRGB's: Adobe RGB's primaries."""

    def fixed(*values: float) -> bytes:
        return b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    gamma = b"curv\0\0\0\0\0\0\0\1" + (563).to_bytes(2, "big") + b"\0\0"  # 2.2 in 8.8 bits
    tags = {
        b"desc": b"desc\0\0\0\0\0\0\0\5wide\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        b"rTRC": gamma,
        b"gTRC": gamma,
        b"bTRC": gamma,
    }
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + (at + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += padded
    header = (
        bytes(8)
        + b"\2\x10\0\0mntrRGB XYZ "
        + bytes(12)
        + b"acsp"
        + bytes(28)
        + fixed(0.9642, 1.0, 0.8249)
    )
    profile = header.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + body
    return len(profile).to_bytes(4, "big") + profile[4:]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures that tests recorded (`record_property`), the greatest of each name: those of docs/reliability.md."""
    figures: dict[str, list[float]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            figures.setdefault(name, []).append(value)
    if figures:
        terminalreporter.section("measured, the greatest of each")
    for name, values in sorted(figures.items()):
        terminalreporter.write_line(
            f"{name}: {max(values):.4g}" + (f" ({len(values)} times)" if len(values) > 1 else "")
        )


def rembg_mask(session: Any, image: Image.Image) -> NDArray[np.int_]:
    """What `rembg.remove(only_mask=True)` gives: (height, width), 0 to 255."""
    import rembg

    return np.asarray(rembg.remove(image, session=session, only_mask=True)).astype(int)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of `image` in a format of Pillow's."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grainy(megapixels: int) -> Image.Image:
    """The sample enlarged, with grain: it cuts out and compresses like a photo of that size."""
    side = round((megapixels * 1e6) ** 0.5)
    pixels = np.asarray(Image.open(SAMPLE).resize((side, side), Image.Resampling.BICUBIC)).astype(
        np.int16
    )
    grain = np.random.default_rng(7).integers(-6, 7, (side, side, 1), dtype=np.int16)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


@dataclass
class Source:
    """A web server on loopback: `files` by path, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture(scope="session")
def source(photo: bytes) -> Iterator[Source]:
    """A source of pictures, and of every fault that an HTTP server can have politely."""
    served = Source(files={"/photo.jpg": photo})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.requests.append((self.path, dict(self.headers)))
            path = self.path.partition("?")[0]
            if path.startswith("/status/"):
                self._answer(int(path.removeprefix("/status/")), b"no picture")
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
                time.sleep(3)
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
            pass  # the caller hung up, as it should on a fault

    server = Quiet(("127.0.0.1", 0), Handler)
    served.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def service(source: Source) -> Iterator[Server]:
    """A running `bentoml serve` of this checkout, which may fetch from `source`."""
    allowed = f"127.0.0.1:{source.port},localhost:{source.port}"
    with serve(
        BGR_ALLOWED_PRIVATE_HOSTS=allowed,
        BGR_DOWNLOAD_TIMEOUT="2",
        BGR_CORS_ORIGINS="https://app.stylespire.com",
    ) as server:
        yield server
