"""One request's time: its deadline, handed along from step to step, and what each step took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import DeadlineExceeded


@dataclass
class Clock:
    """Times one request's steps, and stops it between two of them once its deadline (`time.monotonic`, seconds) has passed.

    `on_step` is told of each step that has ended, well or not: its name, its start and its end (`time.monotonic`, seconds).
    """

    deadline: float
    on_step: Callable[[str, float, float], None] = lambda name, started, ended: None
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
            ended = time.monotonic()
            self.milliseconds[name] = (ended - started) * 1000
            self.on_step(name, started, ended)
