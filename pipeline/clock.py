"""One request's time: its deadline, handed along from step to step, and what each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import DeadlineExceeded


@dataclass
class Clock:
    """Times one request's steps, and stops it between two of them once its deadline (`time.monotonic`, seconds) has passed."""

    deadline: float
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step. Raises DeadlineExceeded instead of starting it too late."""
        started = time.monotonic()
        if started >= self.deadline:
            raise DeadlineExceeded
        try:
            yield
        finally:
            self.milliseconds[name] = (time.monotonic() - started) * 1000
