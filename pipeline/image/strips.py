"""Full-resolution work in strips of rows or columns, on every processor: no step then needs a second copy of an image."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# A megabyte of RGBA: what a strip is made into, step by step, stays in the processor's cache.
_STRIP_PIXELS = 1 << 18


class Strips:
    """The threads that work on strips, made once and handed down."""

    def __init__(self, threads: int) -> None:
        """Start `threads` threads; with one, all work stays in the thread that asks for it."""
        self._pool: ThreadPoolExecutor | None = None
        if threads > 1:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="strip")
            # All of them start now: when memory is short there may be no other.
            all_started = threading.Barrier(threads + 1)
            for _ in range(threads):
                self._pool.submit(all_started.wait)
            all_started.wait()

    def map(self, work: Callable[[int, int], T], lines: int, pixels_per_line: int) -> Iterator[T]:
        """Call `work(first, end)` for every strip of `lines` lines (rows or columns), and yield what it returns, in order.

        Pillow, ISA-L and NumPy let other threads run while they work, so several strips are under way at a time.
        """
        height = max(1, _STRIP_PIXELS // pixels_per_line)
        starts = range(0, lines, height)
        ends = [min(start + height, lines) for start in starts]
        yield from map(work, starts, ends) if self._pool is None or len(ends) == 1 else self._pool.map(work, starts, ends)

    def for_each(self, work: Callable[[int, int], None], lines: int, pixels_per_line: int) -> None:
        """Call `work(first, end)` for every strip, and return once all are done. Raises what `work` raises."""
        for _ in self.map(work, lines, pixels_per_line):
            pass


# Strips one after another, in the thread that asks.
SERIAL = Strips(1)
