"""Leads many items at once to rows of the manifest, on this machine."""

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from batch.manifest import Manifest
from batch.processing import Tools, process
from batch.progress import Progress
from batch.sources import Item

# Images in work for each worker: one is processed, one is written, and the others are read or wait.
# Sources elsewhere may take two seconds before a worker, which takes 0.2 for a small image, waits.
# Each image holds its bytes, at most those of the largest source.
LANES_PER_WORKER, REMOTE_LANES_PER_WORKER = 4, 12

# How often the thread of the command looks around, in seconds.
_TICK = 0.1


class Run:
    """Processes items in threads. The workers are processes; the threads read, wait and write."""

    def __init__(self, tools: Tools, manifest: Manifest, progress: Progress, lanes: int) -> None:
        """Lead `lanes` items at once."""
        self._tools = tools
        self._manifest = manifest
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
        outcome = process(item, self._manifest.state(item.output), self._tools)
        if isinstance(outcome, str):
            self._progress.skip(outcome)
            return
        self._manifest.append(outcome)
        self._progress.add(outcome)
