"""The service's own part of /metrics: responses, step durations, image sizes, queue and memory.

BentoML's part counts HTTP: requests, durations and statuses by endpoint. Both come in one response.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil

from pipeline.errors import URLNotAllowed
from serving.admission import AdmissionQueue
from serving.end_reasons import CLIENT_LEFT, CLIENT_TOO_SLOW, OK
from serving.memory_budget import MemoryBudget
from serving.responses import STATUSES

if TYPE_CHECKING:
    from prometheus_client.metrics_core import GaugeMetricFamily

_PREFIX = "background_remover"

# Seconds. An inference takes a tenth of a second, a slow source up to BGR_DOWNLOAD_TIMEOUT.
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MEGAPIXELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 25.0, 50.0)


class Metrics:
    """The metrics of one worker. Any thread may count; the gauges are read by each scrape."""

    def __init__(
        self, endpoints: tuple[str, ...], queue: AdmissionQueue, budget: MemoryBudget
    ) -> None:
        """Count the responses of `endpoints`, and report the state of `queue` and `budget`."""
        # prometheus_client learns only from BentoML's worker, after service.py is imported, in
        # which folder to keep its values.
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}_requests",
            "Requests for cutouts, by result.",
            ("endpoint", "code"),
            registry=registry,
        )
        self._steps = Histogram(
            f"{_PREFIX}_step_duration_seconds",
            "Duration of each step of a request.",
            ("step",),
            buckets=_DURATIONS,
            registry=registry,
        )
        self._images = Histogram(
            f"{_PREFIX}_image_megapixels",
            "Size of the images that were cut out.",
            buckets=_MEGAPIXELS,
            registry=registry,
        )
        self._runs = Counter(
            f"{_PREFIX}_model_runs",
            "Inferences, including those of clients that had disconnected.",
            registry=registry,
        )
        self._refused = Counter(
            f"{_PREFIX}_refused_addresses",
            "Requests refused because of the address of their URL.",
            registry=registry,
        )
        self._queue = queue
        self._budget = budget
        # Create every series now: `rate` and `increase` miss an event that creates its series.
        for endpoint in endpoints:
            for code in (OK, CLIENT_LEFT, CLIENT_TOO_SLOW, *(error.code for error in STATUSES)):
                self._requests.labels(endpoint, code)

    def count_request(self, endpoint: str, code: str) -> None:
        """Count a request by its result: `ok`, the code of an error or the code of an early end."""
        self._requests.labels(endpoint, code).inc()
        if code == URLNotAllowed.code:
            self._refused.inc()

    def count_step(self, name: str, seconds: float) -> None:
        """Count a step that has ended."""
        self._steps.labels(name).observe(seconds)
        if name == "segment":
            self._runs.inc()

    def count_image(self, pixels: int) -> None:
        """Count an image that was cut out."""
        self._images.observe(pixels / 1e6)

    async def gauges(self) -> str:
        """Return the gauges in Prometheus' text format.

        The kernel takes some milliseconds to add up a process's memory, so a thread waits for it.
        """
        return await asyncio.to_thread(
            _Gauges(self._queue.active, self._queue.capacity, self._budget.held).text
        )


class _Gauges:
    """The gauges of one moment. Queue and budget are read before, in the event loop's thread."""

    def __init__(self, active: int, capacity: int, held: int) -> None:
        self._active = active
        self._capacity = capacity
        self._held = held

    def text(self) -> str:
        """Return the gauges in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry).decode()

    def collect(self) -> Iterator["GaugeMetricFamily"]:
        """Yield the gauges; `prometheus_client` calls this."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        yield GaugeMetricFamily(
            f"{_PREFIX}_requests_active", "Requests that wait or are processed.", self._active
        )
        yield GaugeMetricFamily(
            f"{_PREFIX}_requests_active_max", "Maximum of active requests.", self._capacity
        )
        yield GaugeMetricFamily(
            f"{_PREFIX}_held_bytes", "Bytes of sources and responses in memory.", self._held
        )
        memory = GaugeMetricFamily(
            f"{_PREFIX}_memory_bytes", "Proportional set size (Linux).", labels=("process",)
        )
        for process, number in (("supervisor", os.getppid()), ("worker", os.getpid())):
            if (size := _proportional_set_size(number)) is not None:
                memory.add_metric((process,), size)
        yield memory


def _proportional_set_size(process: int) -> int | None:
    """Return the bytes of a process, each shared page divided by the processes that share it.

    Return None if they cannot be read: the kernel is not Linux, or denies access.
    """
    try:
        size: int = psutil.Process(process).memory_full_info().pss
    except (psutil.Error, AttributeError):
        return None
    return size
