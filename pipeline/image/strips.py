"""Full-resolution work in strips of rows or columns, on every processor.

No step then needs a second copy of an image.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

# One megabyte of RGBA, so that the intermediate results of a strip stay in the processor's cache.
_STRIP_PIXELS = 1 << 18


class Strips:
    """A pool of threads that work on strips. Created once and handed down."""

    def __init__(self, threads: int) -> None:
        """Start `threads` threads. With 1, the calling thread does all the work."""
        self._pool: ThreadPoolExecutor | None = None
        self._factor = 1.0
        if threads > 1:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="strip")
            # Start all threads now: once memory is short, a thread may fail to start.
            all_started = threading.Barrier(threads + 1)
            for _ in range(threads):
                self._pool.submit(all_started.wait)
            all_started.wait()

    def smaller(self, factor: float) -> "Strips":
        """Return the same threads, for strips that have `1 / factor` of the pixels."""
        strips = copy(self)
        strips._factor = factor * self._factor
        return strips

    def map(
        self,
        work: Callable[[int, int], T],
        lines: int,
        pixels_per_line: int,
        multiple: int = 1,
    ) -> Iterator[T]:
        """Call `work(first, end)` for each strip of `lines` rows or columns; yield the results.

        The results come in order. All strips but the last have the same number of lines, a multiple
        of `multiple`. Strips run in parallel because Pillow, ISA-L and NumPy release the GIL.
        """
        height = int(_STRIP_PIXELS / self._factor) // pixels_per_line
        height = max(1, height // multiple) * multiple
        starts = range(0, lines, height)
        ends = [min(start + height, lines) for start in starts]
        if self._pool is None or len(ends) == 1:
            yield from map(work, starts, ends)
        else:
            yield from self._pool.map(work, starts, ends)

    def both(self, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
        """Call two functions, at the same time if there are threads. Raises what they raise."""
        if self._pool is None:
            return first(), second()
        started = self._pool.submit(first), self._pool.submit(second)
        return started[0].result(), started[1].result()

    def for_each(self, work: Callable[[int, int], None], lines: int, pixels_per_line: int) -> None:
        """Call `work(first, end)` for each strip and wait for all. Raises what `work` raises."""
        for _ in self.map(work, lines, pixels_per_line):
            pass


# All strips in sequence, in the calling thread.
SERIAL = Strips(1)
