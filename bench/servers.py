"""Start, ask and stop the service and rembg's server, each a process of its own on loopback.

httpx encodes the requests and http.client sends them: a response of 8 MB takes http.client 6 ms to
read and httpx 22 ms, on processors that the client shares with the server.
"""

import asyncio
import http.client
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import httpx

from bench.images import make_images, sources
from pipeline.weights.fetch import find_weights
from tests.support import serving
from tests.support.cgroup import Cgroup
from tests.support.environment import ROOT
from tests.support.faults import FaultySource, faulty_source_in_a_thread

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


class Burst(NamedTuple):
    """The responses to many requests, in their order, and the seconds that all took together."""

    seconds: float
    responses: list[httpx.Response]


def send(request: httpx.Request) -> httpx.Response:
    """Send a request on a connection of its own. The status is 0 if the connection breaks.

    `elapsed` is from before the connection until the last byte is read.
    """
    body, url = request.read(), request.url
    started = time.perf_counter()
    connection = http.client.HTTPConnection(url.host, url.port, timeout=_TIMEOUT)
    try:
        connection.request(request.method, url.path, body, dict(request.headers))
        raw = connection.getresponse()
        content = raw.read()
        seconds, status, headers = time.perf_counter() - started, raw.status, raw.getheaders()
    except (OSError, http.client.HTTPException):
        seconds, status, headers, content = time.perf_counter() - started, 0, [], b""
    finally:
        connection.close()
    response = httpx.Response(status, headers=headers, content=content, request=request)
    response.elapsed = timedelta(seconds=seconds)
    return response


def send_all(requests: Sequence[Callable[[], httpx.Response]], concurrency: int) -> Burst:
    """Send requests, at most `concurrency` at a time."""
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        responses = list(pool.map(lambda request: request(), requests))
    return Burst(time.perf_counter() - started, responses)


class Api(NamedTuple):
    """The paths of a server, and the form that uploads an image to it."""

    ready_path: str
    upload_path: str
    file_field: str
    form: dict[str, str]


_SERVICE_API = Api("/readyz", "/remove-background/upload", "image", {})
_REMBG_API = Api("/api", "/api/remove", "file", {"model": "u2netp"})


@dataclass(frozen=True)
class Server:
    """A running server, and how to ask it."""

    api: Api
    process: serving.Server

    @property
    def pid(self) -> int:
        """The id of the process whose tree serves."""
        return self.process.process.pid

    def upload(self, image: bytes, **options: str) -> httpx.Response:
        """Upload an image."""
        url, form = self.process.url + self.api.upload_path, {**self.api.form, **options}
        return send(httpx.Request("POST", url, files={self.api.file_field: image}, data=form))

    def upload_all(self, images: Sequence[bytes], **options: str) -> Burst:
        """Upload all images at once."""
        requests = [partial(self.upload, image, **options) for image in images]
        return send_all(requests, len(images))

    def fetch(self, image_url: str, **options: str) -> httpx.Response:
        """Send the URL of an image, to the service only."""
        body = {"image_url": image_url, **options}
        return send(httpx.Request("POST", self.process.url + serving.URL, json=body))

    def wait_until_ready(self) -> float:
        """Return the seconds from the start to the first 200. Raises TimeoutError without one."""
        request = httpx.Request("GET", self.process.url + self.api.ready_path)
        while (seconds := time.perf_counter() - self.process.started) < _START_LIMIT:
            if send(request).status_code == 200:
                return time.perf_counter() - self.process.started
            if self.process.process.poll() is not None:
                break
            time.sleep(_POLL_INTERVAL)
        log = self.process.log.read_text() + self.process.log.with_suffix(".err").read_text()
        raise TimeoutError(f"{self.process.url} is not ready after {seconds:.0f} s:\n{log[-3000:]}")


# Starts a server, waits until it is ready unless told not to, and stops it.
Launch = Callable[..., AbstractContextManager[Server]]


@dataclass(frozen=True)
class Stage:
    """What each section measures with. If `quick`, sections repeat little."""

    images: dict[str, bytes]
    source: FaultySource
    quick: bool

    def repeat(self, full: int, quick: int) -> int:
        """Return how often to repeat."""
        return quick if self.quick else full

    def service(
        self, settings: Mapping[str, str] = {}, cgroup: Cgroup | None = None, wait: bool = True
    ) -> AbstractContextManager[Server]:
        """Launch the service, which may fetch from `source`."""
        port = serving.free_port()
        line = serving.command(".", port)
        if cgroup is not None:
            line = cgroup.entering(line)
        allowed = {"BGR_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{self.source.port}"}
        return _launched(_SERVICE_API, line, port, serving.environment(**allowed, **settings), wait)

    def rembg(
        self, settings: Mapping[str, str] = {}, wait: bool = True
    ) -> AbstractContextManager[Server]:
        """Launch rembg's server. `true` stands in for the browser that it opens."""
        port = serving.free_port()
        line = [f"{REMBG}/bin/rembg", "s", "--no-ui", "--host", "127.0.0.1", "--port", str(port)]
        variables = {**os.environ, "U2NET_HOME": rembg_home(), "BROWSER": "true", **settings}
        return _launched(_REMBG_API, line, port, variables, wait)


@contextmanager
def _launched(
    api: Api, line: list[str], port: int, variables: Mapping[str, str], wait: bool
) -> Iterator[Server]:
    with serving.running(line, port, variables) as process:
        server = Server(api, process)
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
def set_up(quick: bool) -> Iterator[Stage]:
    """Make the images and serve them."""
    images = make_images()
    faults = sources(images)

    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SOURCE_WAITS)
        await faults["0.67-plain"](writer)

    with faulty_source_in_a_thread({**faults, "slow": slow}) as source:
        yield Stage(images, source, quick)
