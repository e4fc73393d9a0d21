"""Full-resolution work in bands, on every processor: no step then needs a second copy of a picture."""

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipeline.processors import available_processors

T = TypeVar("T")

# A megabyte of RGBA: what a band is made into, step by step, stays in the processor's cache.
_BAND_PIXELS = 1 << 18


def over_bands(work: Callable[[int, int], T], lines: int, pixels_a_line: int) -> Iterator[T]:
    """Call `work(first, end)` for every band of `lines` lines (rows or columns), and yield what it returns, in order.

    Pillow, ISA-L and NumPy let other threads run while they work, so several bands are under way at a time.
    """
    pool = _pool()
    height = max(1, _BAND_PIXELS // pixels_a_line)
    starts = range(0, lines, height)
    ends: Iterable[int] = (min(start + height, lines) for start in starts)
    yield from map(work, starts, ends) if len(starts) == 1 else pool.map(work, starts, ends)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    threads = available_processors()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="band")
    # All of them start now: when memory is short there may be no other.
    all_started = threading.Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(all_started.wait)
    all_started.wait()
    return pool
