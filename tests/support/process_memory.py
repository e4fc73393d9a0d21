"""The memory of a process tree as PSS: a page that n processes share counts 1/n in each."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

# Seconds between two samples. One sample of a service takes 5 ms.
_SAMPLE_INTERVAL = 0.03
_REST_INTERVAL = 0.2


def tree_pss(process: int) -> int:
    """Return the PSS of a process and its descendants, in bytes."""
    root = psutil.Process(process)
    total = 0
    for member in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += member.memory_full_info().pss
    return total


def settled_pss(process: int, seconds: float = 3) -> int:
    """Return the PSS of a tree at rest, in bytes: the median over `seconds`, after one second."""
    time.sleep(1)
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        samples.append(tree_pss(process))
        time.sleep(_REST_INTERVAL)
    return round(statistics.median(samples))


@dataclass
class Watch:
    """The highest PSS seen, in bytes."""

    peak: int = 0


@contextmanager
def watching(process: int) -> Iterator[Watch]:
    """Sample the PSS of a tree in a thread until the block ends."""
    watch, over = Watch(), threading.Event()

    def sample() -> None:
        while not over.is_set():
            with suppress(psutil.NoSuchProcess):
                watch.peak = max(watch.peak, tree_pss(process))
            over.wait(_SAMPLE_INTERVAL)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
