"""One request and its answer, as the log will tell them."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from serving.holdings import Holding


@dataclass
class Exchange:
    """What is known of a request so far.

    `code` is an error's code, "ok", or None until the service has answered. `timings` are the milliseconds of the steps that have
    ended, also of a request that failed. `holding` is what it holds, once it is admitted.
    """

    started: float = field(default_factory=time.monotonic)
    code: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    holding: Holding | None = None


current: ContextVar[Exchange] = ContextVar("exchange")


def holding() -> Holding:
    """What the current request holds; it was admitted."""
    held = current.get().holding
    assert held is not None
    return held
