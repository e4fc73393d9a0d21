"""Send the traffic: eight steady clients, bursts, a kept connection, a rest after each minute."""

import asyncio
import http.client
import io
import math
import time
import zlib
from dataclasses import replace
from random import Random

import httpx
import numpy as np
from PIL import Image

from bench.images import MADE_FROM
from bench.report import Figures, Samples, record, say
from bench.servers import Server, set_up
from bench.soak.traffic import BROKEN_OFF, LEFT, LOST, Request, Traffic
from serving.responses import STATUSES
from tests.support.environment import DATA
from tests.support.process_memory import settled_pss, watching

# The codes of responses that are wrong in themselves: a 200 whose image is not whole or not of the
# size in its headers, one whose bytes are not those that the same request got before, and a
# response of no documented shape.
BROKEN_IMAGE, OTHER_BYTES, UNDOCUMENTED = "broken_image", "other_bytes", "undocumented"

# Half of what the service admits by default: outside of bursts, none may be told that it is busy.
_CLIENTS = 8
_MINUTE = 60.0
# Requests at once, half as many again as the service admits; and the seconds between.
_BURST, _BETWEEN_BURSTS = 24, (5.0, 15.0)
# The requests per second of the client that keeps its connection.
_KEPT_PER_SECOND = 4
# Seconds without a byte: far beyond the service's own deadline.
_TIMEOUT = 60.0

_STATUSES = {error.code: status for error, status in STATUSES.items()}
_KEPT = Request("kept connection", "/health", "ok", "/health", method="GET")


class Client:
    """Sends requests to the service at `url`, and compares the images of equal requests."""

    def __init__(self, url: str) -> None:
        # The service closes idle connections after 5 s; close them earlier, so that none ends just
        # as it is used.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
        self.http = httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT, limits=limits, trust_env=False
        )
        self._checksums: dict[str, int] = {}

    async def send(self, request: Request) -> str:
        """Return `ok`, a code of the service's errors, or a code of this module or `traffic`."""
        response = None
        body = bytearray()
        try:
            async with (
                asyncio.timeout(request.patience),
                self.http.stream(request.method, request.path, **request.arguments) as response,
            ):
                async for part in response.aiter_raw():
                    body += part
                    await asyncio.sleep(request.pause)
        except TimeoutError:
            return LEFT
        except httpx.TransportError:
            return LOST if response is None else BROKEN_OFF
        if response.status_code != 200:
            return _error_code(response.status_code, bytes(body))
        if not response.headers["Content-Type"].startswith("image/"):
            return "ok"
        size = int(response.headers["X-Width"]), int(response.headers["X-Height"])
        if not _is_whole(bytes(body), size):
            return BROKEN_IMAGE
        checksum = zlib.crc32(body)
        same = self._checksums.setdefault(request.what, checksum) == checksum
        return "ok" if same else OTHER_BYTES


def _error_code(status: int, body: bytes) -> str:
    try:
        code = str(httpx.Response(status, content=body).json()["code"])
    except (ValueError, KeyError, TypeError):
        return UNDOCUMENTED
    return code if _STATUSES.get(code) == status else UNDOCUMENTED


def _is_whole(image: bytes, size: tuple[int, int]) -> bool:
    """Check the header and a PNG's checksums: decoding would take the service's processors."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.verify()
            return opened.size == size
    except Exception:  # Pillow raises almost anything for a broken file
        return False


def soak(minutes: int, seed: int) -> Figures:
    """Serve, send traffic for so many minutes, and return what came of it."""
    with set_up() as stage, stage.launch() as service:
        traffic = Traffic(stage.images, DATA / "corpus", stage.source.url)
        drive = _Drive(service, traffic, seed)
        asyncio.run(drive.run(minutes))
        log = service.running.log.read_text(errors="replace").splitlines()
    errors = [line for line in log if '"level": "error"' in line]
    about = {"minutes": minutes, "seed": seed, "images": MADE_FROM, "errors": errors}
    for samples in (drive.by_minute, drive.by_kind):
        for case, sides in samples.items():
            if seconds := sides["default"].pop("seconds", []):
                ranks = {f"p{rank}": float(np.percentile(seconds, rank)) for rank in (50, 95, 99)}
                record(samples, case, "default", **ranks)
    return about | {"wrong": drive.wrong, "by_minute": drive.by_minute, "by_kind": drive.by_kind}


class _Drive:
    """The clients, and what came of their requests."""

    def __init__(self, service: Server, traffic: Traffic, seed: int) -> None:
        self.by_minute: Samples = {}
        self.by_kind: Samples = {}
        self.wrong: list[Figures] = []
        self._service, self._traffic = service, traffic
        self._client = Client(service.running.url)
        self._randoms = [Random(f"{seed} {number}") for number in range(_CLIENTS + 1)]
        self._minute, self._until, self._last_burst_ended = "0", 0.0, 0.0

    async def run(self, minutes: int) -> None:
        """Send traffic for so many minutes, and rest before the first and after each."""
        async with self._client.http:
            await self._rest()
            for minute in range(1, minutes + 1):
                self._minute, self._until = str(minute), time.monotonic() + _MINUTE
                with watching(self._service.pid) as watch:
                    # Until the last response.
                    async with asyncio.TaskGroup() as group:
                        for random in self._randoms[1:]:
                            group.create_task(self._send_steadily(random))
                        group.create_task(self._send_bursts(self._randoms[0]))
                        group.create_task(asyncio.to_thread(self._keep_connection))
                record(self.by_minute, self._minute, "default", peak=watch.peak)
                await self._rest()
                say(f"minute {minute} of {minutes}: {len(self.wrong)} wrong")

    async def _rest(self) -> None:
        """Record the memory at rest, in the same state whatever came before.

        Before a large image the service frees what it keeps for the next one, some tens of
        megabytes that depend on the last images. A small one takes the inference's share again.
        """
        for name in ("24-plain", "0.24-plain"):
            await self._client.send(self._traffic.image(name))
        rest = await asyncio.to_thread(settled_pss, self._service.pid)
        record(self.by_minute, self._minute, "default", rest=rest)

    async def _send_steadily(self, random: Random) -> None:
        while time.monotonic() < self._until:
            await self._send(self._traffic.draw(random))

    async def _send_bursts(self, random: Random) -> None:
        while time.monotonic() + (pause := random.uniform(*_BETWEEN_BURSTS)) <= self._until:
            await asyncio.sleep(pause)
            self._last_burst_ended = math.inf
            images = (self._traffic.image("0.67-plain", by_url=i % 2 == 0) for i in range(_BURST))
            burst = (replace(image, kind=f"burst of {_BURST}") for image in images)
            await asyncio.gather(*map(self._send, burst))
            self._last_burst_ended = time.monotonic()

    def _keep_connection(self) -> None:
        """Ask for /health on one connection, and open another only if it is lost.

        The rest between two minutes is longer than the service keeps an idle connection.
        """
        port = self._service.running.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
        while time.monotonic() < self._until:
            started, code = time.monotonic(), LOST
            try:
                connection.request("GET", "/health")
                response = connection.getresponse()
                response.read()
                is_kept = response.status == 200 and not response.will_close
                code = "ok" if is_kept else UNDOCUMENTED
            except (OSError, http.client.HTTPException):
                connection.close()
            self._note(_KEPT, code, started)
            time.sleep(1 / _KEPT_PER_SECOND)
        connection.close()

    async def _send(self, request: Request) -> None:
        started = time.monotonic()
        self._note(request, await self._client.send(request), started)

    def _note(self, request: Request, code: str, started: float) -> None:
        seconds, kind = time.monotonic() - started, request.kind
        record(self.by_kind, kind, "default", code=[code])
        if code not in ("busy", LEFT):
            record(self.by_kind, kind, "default", seconds=seconds)
        if code == "ok" and " MP " in kind:
            record(self.by_minute, self._minute, "default", seconds=seconds)
        # Requests that overlap with a burst may be told that the service is busy.
        right = request.right.split()
        if code not in right and (code != "busy" or self._last_burst_ended < started):
            outcome = {"minute": self._minute, "kind": kind, "what": request.what, "code": code}
            self.wrong.append({**outcome, "right": right})
