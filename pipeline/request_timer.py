"""The time of one request: the duration of each step, and the deadline checked before it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import DeadlineExceeded


@dataclass
class RequestTimer:
    """Times the steps of one request and enforces its deadline between them.

    `deadline` is in seconds of `time.monotonic`. `record_step(name, start, end)` is called when a
    step ends, even if it failed; `start` and `end` are in seconds of `time.monotonic`.
    `milliseconds` maps each step to its duration, all times together if it ran more than once.
    """

    deadline: float
    record_step: Callable[[str, float, float], None] = lambda name, start, end: None
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the step. Raises DeadlineExceeded, without starting it, after the deadline."""
        start = time.monotonic()
        if start >= self.deadline:
            raise DeadlineExceeded
        try:
            yield
        finally:
            end = time.monotonic()
            self.milliseconds[name] = self.milliseconds.get(name, 0) + (end - start) * 1000
            self.record_step(name, start, end)
