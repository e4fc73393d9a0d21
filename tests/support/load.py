"""Ten times as many callers as the service can serve: `python -m tests.support.load PORT PID SECONDS` prints what they saw, as JSON.

A process of its own, whose requests are bytes made beforehand, so that it takes little of the processors that it shares.
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
from tests.support.raw_http import upload_request

TIMES = 10
CALLERS = 8
PHOTO = upload_request(SAMPLE.read_bytes())
# One upload in forty is of megabytes that need not be read to be refused.
LARGE = upload_request(SAMPLE.read_bytes() + bytes(4_000_000))
PROBES = [
    b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path
    for path in (b"livez", b"readyz")
]


@dataclass
class Seen:
    """Answers by code (or by what became of the connection), and the seconds of each, by code; when each picture came."""

    codes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    pictures: list[float] = field(default_factory=list)

    def rate(self, start: float, end: float) -> float:
        """Pictures a second, in a stretch of time."""
        return sum(start <= came < end for came in self.pictures) / (end - start)

    def percentile(self, code: str, percent: float) -> float:
        """Seconds."""
        ordered = sorted(self.seconds.get(code, [0.0]))
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def ask(port: int, request: bytes, seen: Seen) -> None:
    """Send a request on a connection of its own, and note its answer."""
    started = time.monotonic()
    code = await _code(port, request)
    seen.codes[code] += 1
    seen.seconds.setdefault(code, []).append(time.monotonic() - started)
    if code == "200":
        seen.pictures.append(time.monotonic())


async def _code(port: int, request: bytes) -> str:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as exc:
        return type(exc).__name__
    status = head.split(b" ")[1].decode()
    if status == "429" and b"retry-after: 1\r\n" not in head:
        return "429 without Retry-After"
    return str(json.loads(body)["code"]) if b"application/json" in head else status


async def closed_loop(port: int, seconds: float, seen: Seen) -> None:
    """As many callers as keep the service busy, each with its next request as soon as its last is answered."""

    async def caller() -> None:
        while time.monotonic() < end:
            await ask(port, PHOTO, seen)

    end = time.monotonic() + seconds
    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def open_loop(port: int, rate: float, seconds: float, seen: Seen) -> None:
    """So many requests a second, whatever becomes of those before; waits for none."""
    start = time.monotonic()
    async with asyncio.TaskGroup() as requests:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(start + number / rate - time.monotonic())
            requests.create_task(ask(port, LARGE if number % 40 == 0 else PHOTO, seen))


async def probe(port: int, seen: Seen) -> None:
    """Ask whether the service lives and is ready, ten times a second, for ever."""
    while True:
        for request in PROBES:
            await ask(port, request, seen)
        await asyncio.sleep(0.1)


async def watch(process: int, seen: list[int]) -> None:
    """Read the memory of the tree once a second, for ever; to read it more often would slow the service down."""
    while True:
        seen.append(await asyncio.to_thread(tree_pss, process))
        await asyncio.sleep(1)


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
    # Within a second of the last overloading request's answer the service serves as many as before.
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
