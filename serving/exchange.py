"""One request and its answer, as the log will tell them."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """What is known of a request so far. `code` is an error's code, "ok", or None until the service has answered."""

    started: float = field(default_factory=time.monotonic)
    code: str | None = None
    timings: dict[str, float] = field(default_factory=dict)


current: ContextVar[Exchange] = ContextVar("exchange")
