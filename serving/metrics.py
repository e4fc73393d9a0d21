"""Our own part of /metrics: requests by code, the steps' durations, the images' sizes, the queue, the memory.

BentoML's part counts HTTP: requests, their durations and statuses by endpoint. Both come in one answer.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import URLNotAllowed
from serving.admission import AdmissionQueue
from serving.end_reasons import CLIENT_LEFT, CLIENT_TOO_SLOW, OK
from serving.memory_budget import MemoryBudget
from serving.responses import STATUSES

if TYPE_CHECKING:
    from prometheus_client.metrics_core import GaugeMetricFamily

# In seconds; an inference takes a tenth, a slow source many.
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MEGAPIXELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 25.0, 50.0)


class Metrics:
    """The metrics of one worker. Counters may be raised in any thread; the gauges are read when they are asked for."""

    def __init__(
        self, endpoints: tuple[str, ...], queue: AdmissionQueue, budget: MemoryBudget
    ) -> None:
        """Count the responses of `endpoints`, and tell of the queue and of what is held."""
        # BentoML says only in the worker, and after service.py is imported, where this library is to keep its values.
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        name = "background_remover"
        self._requests = Counter(
            "requests",
            "Requests for cut-outs, by what they came to.",
            ("endpoint", "code"),
            name,
            registry=registry,
        )
        self._steps = Histogram(
            "step_duration_seconds",
            "What each step of a request took.",
            ("step",),
            name,
            buckets=_DURATIONS,
            registry=registry,
        )
        self._images = Histogram(
            "picture_megapixels",
            "The sizes of the images cut out.",
            (),
            name,
            buckets=_MEGAPIXELS,
            registry=registry,
        )
        self._runs = Counter(
            "model_runs",
            "Inferences, also those whose client had left.",
            (),
            name,
            registry=registry,
        )
        self._refused = Counter(
            "refused_addresses",
            "Requests whose URL the guard refused.",
            (),
            name,
            registry=registry,
        )
        self._queue = queue
        self._budget = budget
        # A series that begins at its first event hides that event from `rate` and `increase`.
        for endpoint in endpoints:
            for code in (OK, CLIENT_LEFT, CLIENT_TOO_SLOW, *(error.code for error in STATUSES)):
                self._requests.labels(endpoint, code)

    def responded(self, endpoint: str, code: str) -> None:
        """Count a request by what it came to: `ok`, an error's code, `client_left` or `client_too_slow`."""
        self._requests.labels(endpoint, code).inc()
        if code == URLNotAllowed.code:
            self._refused.inc()

    def step(self, name: str, seconds: float) -> None:
        """Count a step that has ended."""
        self._steps.labels(name).observe(seconds)
        if name == "segment":
            self._runs.inc()

    def image(self, pixels: int) -> None:
        """Count an image that was cut out."""
        self._images.observe(pixels / 1e6)

    async def now(self) -> str:
        """The gauges, in Prometheus' text format. The kernel's files are read in a thread, some milliseconds."""
        return await asyncio.to_thread(
            _Gauges(self._queue.active, self._queue.capacity, self._budget.held).text
        )


class _Gauges:
    """The gauges of one moment: the queue and the budget belong to the event loop's thread, and have told."""

    def __init__(self, active: int, capacity: int, held: int) -> None:
        self._active = active
        self._capacity = capacity
        self._held = held

    def text(self) -> str:
        """In Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry).decode()

    def collect(self) -> Iterator["GaugeMetricFamily"]:
        """The gauges, for `prometheus_client`."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        yield GaugeMetricFamily(
            "background_remover_requests_active", "Requests waiting or at work.", self._active
        )
        yield GaugeMetricFamily(
            "background_remover_requests_active_max", "The most that are admitted.", self._capacity
        )
        yield GaugeMetricFamily(
            "background_remover_held_bytes",
            "Sources and responses held while others work.",
            self._held,
        )
        memory = GaugeMetricFamily(
            "background_remover_memory_bytes", "Proportional set size (Linux).", labels=("process",)
        )
        for process, number in (("supervisor", os.getppid()), ("worker", os.getpid())):
            if (size := _proportional_set_size(number)) is not None:
                memory.add_metric((process,), size)
        yield memory


def _proportional_set_size(process: int) -> int | None:
    """Bytes, pages shared with other processes divided among them (proc(5), smaps_rollup); None where it cannot be read."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
