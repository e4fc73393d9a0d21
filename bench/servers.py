"""Start, ask and stop the service and rembg's server, each a process of its own on loopback.

tests/support launches them. httpx encodes the requests and http.client sends them: a response of
8 MB takes http.client 6 ms to read and httpx 22 ms, on processors that the client shares with the
server.
"""

import asyncio
import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import httpx

from bench.images import make_images
from pipeline.weights.fetch import find_weights
from tests.support import serving
from tests.support.cgroup import Cgroup
from tests.support.environment import ROOT
from tests.support.faults import FaultySource, faulty_source_in_a_thread, sends, with_length

# The servers that are compared, with the options of an upload: rembg, and the service with its
# defaults and with rembg's mask.
SIDES: dict[str, dict[str, str]] = {
    "rembg": {},
    "default": {},
    "edges=raw": {"edges": "raw"},
}
OWN_SIDES = {side: options for side, options in SIDES.items() if side != "rembg"}

# The virtual environment of rembg's server, which `make bench` installs: it pins another uvicorn
# than BentoML accepts.
REMBG = ROOT / "bench" / ".peer"
# Seconds. rembg's server compiles for most of a minute at its first start.
_START_LIMIT, _TIMEOUT = 180, 600
_POLL_INTERVAL = 0.01
# More concurrent requests than the service admits by default, and a longer deadline.
LOADED = {"BGR_MAX_WAITING": "32", "BGR_DEADLINE": "120"}
# Seconds that the slow source waits before it responds.
SOURCE_WAITS = 0.3

# The seconds that many requests took together, and their responses, in their order.
Burst = tuple[float, list[httpx.Response]]


def send_all(requests: Sequence[Callable[[], httpx.Response]], concurrency: int) -> Burst:
    """Send requests, at most `concurrency` at a time."""
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        responses = list(pool.map(lambda request: request(), requests))
    return time.perf_counter() - started, responses


class Api(NamedTuple):
    """The paths of a server, and the form that uploads an image to it: the service's."""

    ready_path: str = "/readyz"
    upload_path: str = serving.UPLOAD
    file_field: str = "image"
    form: Mapping[str, str] = {}


_REMBG_API = Api("/api", "/api/remove", "file", {"model": "u2netp"})


@dataclass(frozen=True)
class Server:
    """A running server, and how to ask it."""

    running: serving.Server
    api: Api

    @property
    def pid(self) -> int:
        """The id of the process whose tree serves."""
        return self.running.process.pid

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request on a connection of its own. The status is 0 if the connection breaks.

        `arguments` are httpx's. `elapsed` is from before the connection until the last byte is
        read.
        """
        request = httpx.Request(method, self.running.url + path, **arguments)
        body, headers = request.read(), dict(request.headers)
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=_TIMEOUT)
        with closing(connection):
            try:
                connection.request(method, path, body, headers)
                raw = connection.getresponse()
                status, content, received = raw.status, raw.read(), raw.getheaders()
            except (OSError, http.client.HTTPException):
                status, content, received = 0, b"", []
            seconds = time.perf_counter() - started
        response = httpx.Response(status, headers=received, content=content, request=request)
        response.elapsed = timedelta(seconds=seconds)
        return response

    def upload(self, image: bytes, **options: str) -> httpx.Response:
        """Upload an image."""
        files, form = {self.api.file_field: image}, {**self.api.form, **options}
        return self.send("POST", self.api.upload_path, files=files, data=form)

    def upload_all(self, images: Sequence[bytes], **options: str) -> Burst:
        """Upload all images at once."""
        requests = [partial(self.upload, image, **options) for image in images]
        return send_all(requests, len(images))

    def fetch(self, image_url: str, **options: str) -> httpx.Response:
        """Send the URL of an image, to the service only."""
        return self.send("POST", serving.URL, json={"image_url": image_url, **options})

    def wait_until_ready(self) -> float:
        """Return the seconds from the start to the first 200. Raise AssertionError without one."""
        process = self.running.process
        while self.send("GET", self.api.ready_path).status_code != 200:
            seconds = time.perf_counter() - self.running.started
            if seconds > _START_LIMIT or process.poll() is not None:
                serving.wait_until_ready(self.running, 0, self.api.ready_path)  # raises
            time.sleep(_POLL_INTERVAL)
        return time.perf_counter() - self.running.started


@dataclass(frozen=True)
class Stage:
    """What is measured with. If `quick`, sections repeat little."""

    images: dict[str, bytes]
    source: FaultySource
    quick: bool

    def repeat(self, full: int, quick: int) -> int:
        """Return how often to repeat."""
        return quick if self.quick else full

    @contextmanager
    def launch(
        self,
        side: str = "default",
        settings: Mapping[str, str] = {},
        cgroup: Cgroup | None = None,
        wait: bool = True,
    ) -> Iterator[Server]:
        """Run rembg's server, or the service, which may fetch from `source`, for any other side.

        `settings` are environment variables. Wait until the server is ready unless told not to.
        """
        if side == "rembg":
            port = serving.free_port()
            line = f"{REMBG}/bin/rembg s --no-ui --host 127.0.0.1 --port {port}".split()
            # `true` stands in for the browser that it opens.
            variables = {**os.environ, "U2NET_HOME": rembg_home(), "BROWSER": "true", **settings}
            launching, api = serving.running(line, port, variables), _REMBG_API
        else:
            allowed = {"BGR_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{self.source.port}"}
            prefix = cgroup.entering([]) if cgroup else []
            launching = serving.launch(prefix=prefix, settings={**allowed, **settings})
            api = Api()
        with launching as running:
            server = Server(running, api)
            if wait:
                server.wait_until_ready()
            yield server


def rembg_home() -> str:
    """Return U2NET_HOME, where rembg finds the weights that the service uses."""
    home = REMBG / "home"
    weights = home / "models" / "u2netp" / "u2netp.onnx"
    if not weights.exists():
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(find_weights().content)
    return str(home)


def rembg_packages() -> str:
    """Return the folder of the packages of rembg's server."""
    return str(next(REMBG.glob("lib/python*/site-packages")))


@contextmanager
def set_up(quick: bool = False) -> Iterator[Stage]:
    """Make the images and serve them. SIGTERM then stops the servers too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))
    images = make_images()
    faults = {name: sends(with_length(b"%d" % len(file), file)) for name, file in images.items()}

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SOURCE_WAITS)
        await faults["0.67-plain"](writer)

    with faulty_source_in_a_thread({**faults, "slow": slow}) as source:
        yield Stage(images, source, quick)
