"""The memory of a process tree: PSS, in which a page that n processes share counts 1/n in each."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from bench.figures import spread

_INTERVAL = 0.03  # seconds between two samples


def tree_pss(process: int) -> int:
    """PSS of a process and its descendants, in bytes."""
    root = psutil.Process(process)
    total = 0
    for member in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += member.memory_full_info().pss
    return total


def settled_pss(process: int, seconds: float = 3) -> int:
    """PSS of a tree at rest: the median over some seconds after a second of quiet, in bytes."""
    time.sleep(1)
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        samples.append(tree_pss(process))
        time.sleep(0.2)
    return round(spread(samples).median)


@dataclass
class Watch:
    """The highest PSS seen, in bytes."""

    peak: int = 0


@contextmanager
def watching(process: int) -> Iterator[Watch]:
    """Sample the tree's PSS in a thread until the block ends."""
    watch, over = Watch(), threading.Event()

    def sample() -> None:
        while not over.is_set():
            with suppress(psutil.NoSuchProcess):
                watch.peak = max(watch.peak, tree_pss(process))
            over.wait(_INTERVAL)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
