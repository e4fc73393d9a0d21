"""Leads many items at once from their source to a row of the manifest."""

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batch.cutters import CutterPool, Result
from batch.errors import ImageFailed
from batch.manifest import Manifest, Work
from batch.progress import Progress
from batch.reading import Reader
from batch.sources import Item
from batch.targets import Target
from pipeline.errors import BackgroundRemovalError

# Images in work for each worker: one is processed, one is written, and the others are read or wait.
# Sources elsewhere may take two seconds before a worker, which takes 0.2 for a small image, waits.
# Each image holds its bytes, at most those of the largest source.
LANES_PER_WORKER, REMOTE_LANES_PER_WORKER = 4, 12

# How often the thread of the command looks around, in seconds.
_TICK = 0.1


@dataclass(frozen=True)
class Policy:
    """What is done again: what an earlier run has done (`all`), or what failed there."""

    redo_all: bool = False
    retry_failed: bool = False


@dataclass(frozen=True)
class Tools:
    """What items are processed with. `options` and `model` name those of the manifest's rows."""

    reader: Reader
    cutters: CutterPool
    target: Target
    manifest: Manifest
    options: str
    model: str
    policy: Policy = Policy()


class Run:
    """Processes items in threads. The workers are processes; the threads read, wait and write."""

    def __init__(self, tools: Tools, progress: Progress, lanes: int) -> None:
        """Lead `lanes` items at once."""
        self._tools = tools
        self._progress = progress
        self._lanes = lanes
        self._stopping = threading.Event()
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Begin no more items."""
        self._stopping.set()

    def process(self, items: Iterable[Item]) -> bool:
        """Process items, and return whether it came to their end.

        Raises RunStopped, StartupError, and UsageError of the listing. Items that have begun are
        finished in any case.
        """
        free = threading.Semaphore(self._lanes)

        def end(future: "Future[None]") -> None:
            if (failure := future.exception()) is not None:
                self._failure = self._failure or failure
                self._stopping.set()
            free.release()

        def is_free() -> bool:
            while not free.acquire(timeout=_TICK):
                self._progress.report()
            self._progress.report()
            return not self._stopping.is_set()

        ended = True
        with ThreadPoolExecutor(self._lanes, thread_name_prefix="lane") as pool:
            for item in items:
                if not is_free():
                    free.release()
                    ended = False
                    break
                pool.submit(self._lead, item).add_done_callback(end)
            for _ in range(self._lanes):
                while not free.acquire(timeout=_TICK):
                    self._progress.report()
        if self._failure is not None:
            raise self._failure
        return ended

    def _lead(self, item: Item) -> None:
        """Lead one item to a row, unless an earlier run has."""
        tools, seconds = self._tools, dict[str, float]()
        row: dict[str, Any] = {"source": item.source, "output": item.output, "version": ""}
        try:
            version = item.version
            row["version"] = tools.reader.version(item.source) if version is None else version
            if (status := self._status_before(item, row["version"])) is not None:
                self._progress.skip(status)
                return
            with _timed(seconds, "read"):
                image = tools.reader.read(item.source)
            row["source_bytes"] = len(image)
            result = tools.cutters.run("cut", image)
            del image
            seconds |= result.fields.pop("seconds")
            with _timed(seconds, "write"):
                tools.target.write(item.output, result.content, result.fields["media_type"])
            row |= _described(result)
        except (ImageFailed, BackgroundRemovalError) as exc:
            row |= {"status": "failed", "code": exc.code, "message": str(exc)}
        row |= {
            "options": tools.options,
            "model": tools.model,
            "seconds": {step: round(took, 4) for step, took in seconds.items()},
            "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        tools.manifest.append(row)
        self._progress.add(row)

    def _status_before(self, item: Item, version: str) -> str | None:
        """Return what an earlier run made of an item, or None if it is to be processed."""
        tools, policy = self._tools, self._tools.policy
        if policy.redo_all:
            return None
        work = Work(version or item.source, tools.options, tools.model)
        status = tools.manifest.status(item.output, work)
        if status == "done" and not tools.target.has(item.output):
            return None
        return None if status == "failed" and policy.retry_failed else status


def _described(result: Result) -> dict[str, Any]:
    return {
        "status": "done",
        "code": "ok",
        **result.fields,
        "bytes": len(result.content),
        "sha256": hashlib.sha256(result.content).hexdigest(),
        "attempts": result.attempts,
    }


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[step] = time.monotonic() - start
