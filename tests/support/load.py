"""Send ten times as many requests as the service can serve.

`python -m tests.support.load PORT PID SECONDS` prints what the clients saw, as JSON. It is a
process of its own that sends prepared bytes, so that it takes little of the processors it shares.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline.weights import SAMPLE
from tests.support.process_memory import tree_pss
from tests.support.raw_http import head, upload_request

TIMES = 10
# Half of the requests that the service accepts at once (BGR_MAX_WAITING).
CLIENTS = 8
PHOTO = upload_request(SAMPLE.read_bytes())
# One upload in forty has megabytes that need not be read to be refused.
LARGE = upload_request(SAMPLE.read_bytes() + bytes(4_000_000))
_LARGE_SHARE = 40
PROBES = [
    head(b"Connection: close", method=b"GET", target=path) for path in (b"/livez", b"/readyz")
]


@dataclass
class Seen:
    """What clients saw: responses by code, their seconds, and the time of each cutout.

    A connection that broke counts under the name of its exception.
    """

    codes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    cutouts: list[float] = field(default_factory=list)

    def rate(self, start: float, end: float) -> float:
        """Return the cutouts per second between two times."""
        return sum(start <= came < end for came in self.cutouts) / (end - start)

    def percentile(self, code: str, percent: float) -> float:
        """Return a percentile of the seconds until responses with a code."""
        ordered = sorted(self.seconds.get(code, [0.0]))
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def ask(port: int, request: bytes, seen: Seen) -> None:
    """Send a request on its own connection, and record its response."""
    started = time.monotonic()
    code = await _code(port, request)
    seen.codes[code] += 1
    seen.seconds.setdefault(code, []).append(time.monotonic() - started)
    if code == "200":
        seen.cutouts.append(time.monotonic())


async def _code(port: int, request: bytes) -> str:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            received = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", received)
            body = await reader.readexactly(int(length[1]) if length else 0)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as exc:
        return type(exc).__name__
    status = received.split(b" ")[1].decode()
    if status == "429" and b"retry-after: 1\r\n" not in received:
        return "429 without Retry-After"
    return str(json.loads(body)["code"]) if b"application/json" in received else status


async def closed_loop(port: int, seconds: float, seen: Seen) -> None:
    """Keep the service busy: each client sends its next request once the last is answered."""

    async def client() -> None:
        while time.monotonic() < end:
            await ask(port, PHOTO, seen)

    end = time.monotonic() + seconds
    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def open_loop(port: int, rate: float, seconds: float, seen: Seen) -> None:
    """Send `rate` requests per second, without waiting for responses."""
    start = time.monotonic()
    async with asyncio.TaskGroup() as requests:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(start + number / rate - time.monotonic())
            request = LARGE if number % _LARGE_SHARE == 0 else PHOTO
            requests.create_task(ask(port, request, seen))


async def probe(port: int, seen: Seen) -> None:
    """Ask /livez and /readyz ten times per second until cancelled."""
    while True:
        for request in PROBES:
            await ask(port, request, seen)
        await asyncio.sleep(0.1)


async def watch(process: int, seen: list[int]) -> None:
    """Read the memory of the tree once per second until cancelled."""
    while True:
        seen.append(await asyncio.to_thread(tree_pss, process))
        await asyncio.sleep(1)  # a shorter pause would slow the service down


async def main(port: int, process: int, seconds: float) -> dict[str, Any]:
    """Measure the capacity, then overload, then the capacity again."""
    before, during, after, probes = Seen(), Seen(), Seen(), Seen()
    probing = asyncio.create_task(probe(port, probes))
    quiet = min(10.0, seconds)
    await closed_loop(port, 1, Seen())
    start = time.monotonic()
    await closed_loop(port, quiet, before)
    capacity = before.rate(start, start + quiet)
    memory: list[int] = []
    watching = asyncio.create_task(watch(process, memory))
    start = time.monotonic()
    await open_loop(port, TIMES * capacity, seconds, during)
    watching.cancel()
    # The service must serve as many as before as soon as the overload has ended.
    again = time.monotonic()
    await closed_loop(port, quiet, after)
    probing.cancel()
    return {
        "capacity": capacity,
        "goodput": during.rate(start + 1, start + seconds) / capacity,
        "recovered": after.rate(again, again + quiet) / capacity,
        "codes": {
            "before": before.codes,
            "during": during.codes,
            "after": after.codes,
            "probes": probes.codes,
        },
        "refused": {str(percent): during.percentile("busy", percent) for percent in (50, 99, 100)},
        "probes": {str(percent): probes.percentile("200", percent) for percent in (50, 99, 100)},
        "peak": max(memory),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
