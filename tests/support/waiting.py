"""Wait until something happens, with a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(happens: Callable[[], T], seconds: float = 10, pause: float = 0.05) -> T:
    """Call `happens` until its result is true, for `seconds` at most; return the last result."""
    end = time.monotonic() + seconds
    while not (result := happens()) and time.monotonic() < end:
        time.sleep(pause)
    return result
