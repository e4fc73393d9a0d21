"""Callers one request after another, bursts now and then, and a rest after each minute -> figures."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench import servers
from bench.figures import percentile
from bench.memory import settled_pss, watching
from bench.pictures import TEST_DATA, make_pictures
from bench.progress import say
from bench.soak.exchange import Client, KeptConnection
from bench.soak.traffic import LEFT, Random, Request, Traffic, files
from bench.stage import Figures
from tests.support.faults import faulty_source, sends, with_length

# Half of what the service lets inside by default: outside of bursts, nobody may be told that it is busy.
_CALLERS = 8
_MINUTE = 60.0
_BETWEEN_BURSTS = (5.0, 15.0)
# A client that keeps its connection sends so many requests a second on it, for as long as the soak lasts.
_KEPT_PER_SECOND = 4


@dataclass(frozen=True)
class Outcome:
    """What came of a request; `seconds` from before the connection to the end of the answer."""

    minute: int
    request: Request
    code: str
    right: bool
    seconds: float


async def soak(minutes: int, seed: int) -> Figures:
    """Drive a service of its own for so many minutes of traffic, and tell what came of it."""
    pictures = make_pictures()
    named = files(pictures)
    async with faulty_source(
        {name: sends(with_length(b"%d" % len(file), file)) for name, file in named.items()}
    ) as source:
        with servers.ours({"BGR_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{source.port}"}) as service:
            await asyncio.to_thread(service.wait_until_ready)
            traffic = Traffic(named, TEST_DATA / "corpus", source.url)
            async with (
                Client(f"http://127.0.0.1:{service.port}") as client,
                KeptConnection(service.port) as kept,
            ):
                drive = _Drive(client, kept, traffic, seed)
                rests, peaks = [await drive.rest(service.process.pid)], []
                for minute in range(1, minutes + 1):
                    with watching(service.process.pid) as watch:
                        await drive.run(minute)
                    peaks.append(watch.peak)
                    rests.append(await drive.rest(service.process.pid))
                    wrong = sum(not outcome.right for outcome in drive.outcomes)
                    say(
                        f"minute {minute} of {minutes}: {rests[-1] / 1e6:.0f} MB at rest, {wrong} of {len(drive.outcomes)} wrong"
                    )
            errors = [
                line
                for line in service.log.read_text(errors="replace").splitlines()
                if '"level": "error"' in line
            ]
    return {
        "minutes": minutes,
        "seed": seed,
        "pictures": pictures.made_from,
        "memory": {"rests": rests, "peaks": peaks},
        "errors": errors,
        **_figures(drive.outcomes, minutes),
    }


class _Drive:
    """The callers and what came of their requests."""

    def __init__(self, client: Client, kept: KeptConnection, traffic: Traffic, seed: int) -> None:
        self.outcomes: list[Outcome] = []
        self._client = client
        self._kept = kept
        self._traffic = traffic
        self._randoms = [np.random.default_rng([seed, caller]) for caller in range(_CALLERS)]
        self._bursting = np.random.default_rng([seed, _CALLERS])
        self._last_burst_ended = -float("inf")

    async def run(self, minute: int) -> None:
        """A minute of traffic, and the time that its last answers take."""
        until = time.monotonic() + _MINUTE
        async with asyncio.TaskGroup() as group:
            for random in self._randoms:
                group.create_task(self._call(random, minute, until))
            group.create_task(self._burst(minute, until))
            group.create_task(self._keep_asking(minute, until))

    async def rest(self, process: int) -> int:
        """PSS at rest, in bytes, in a state that can be compared."""
        for request in self._traffic.settling():
            await self._client.send(request)
        return await asyncio.to_thread(settled_pss, process)

    async def _call(self, random: Random, minute: int, until: float) -> None:
        while time.monotonic() < until:
            await self._send(self._traffic.draw(random), minute)

    async def _burst(self, minute: int, until: float) -> None:
        while True:
            pause = self._bursting.uniform(*_BETWEEN_BURSTS)
            if time.monotonic() + pause > until:
                return
            await asyncio.sleep(pause)
            self._last_burst_ended = float("inf")
            await asyncio.gather(
                *(self._send(request, minute) for request in self._traffic.burst(self._bursting))
            )
            self._last_burst_ended = time.monotonic()

    async def _keep_asking(self, minute: int, until: float) -> None:
        while time.monotonic() < until:
            started = time.monotonic()
            request = self._kept.request
            code = await self._kept.send()
            self.outcomes.append(
                Outcome(minute, request, code, code in request.right, time.monotonic() - started)
            )
            await asyncio.sleep(1 / _KEPT_PER_SECOND)
        self._kept.close()  # the rest between two minutes is longer than the service keeps an idle connection

    async def _send(self, request: Request, minute: int) -> None:
        started = time.monotonic()
        code = await self._client.send(request)
        # Whoever meets a burst may be told that the service is busy.
        right = code in request.right or (code == "busy" and self._last_burst_ended >= started)
        self.outcomes.append(Outcome(minute, request, code, right, time.monotonic() - started))


def _figures(outcomes: list[Outcome], minutes: int) -> Figures:
    """Answers by kind and code, latencies by kind and by minute, and all that was wrong."""
    kinds = sorted({outcome.request.kind for outcome in outcomes})
    of_kind = {
        kind: [outcome for outcome in outcomes if outcome.request.kind == kind] for kind in kinds
    }
    good = [
        outcome for outcome in outcomes if " MP " in outcome.request.kind and outcome.code == "ok"
    ]
    return {
        "codes": {kind: dict(Counter(outcome.code for outcome in of_kind[kind])) for kind in kinds},
        "latency": {kind: _percentiles(of_kind[kind]) for kind in kinds},
        "good_by_minute": [
            _percentiles([outcome for outcome in good if outcome.minute == minute + 1])
            for minute in range(minutes)
        ],
        "wrong": [
            {
                "minute": outcome.minute,
                "kind": outcome.request.kind,
                "what": outcome.request.what,
                "code": outcome.code,
                "right": sorted(outcome.request.right),
            }
            for outcome in outcomes
            if not outcome.right
        ],
    }


def _percentiles(outcomes: list[Outcome]) -> dict[str, float]:
    """p50, p95 and p99 of what was answered, in seconds."""
    seconds = [outcome.seconds for outcome in outcomes if outcome.code not in ("busy", LEFT)]
    return (
        {f"p{percent}": percentile(seconds, percent) for percent in (50, 95, 99)} if seconds else {}
    )
