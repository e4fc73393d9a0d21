"""What is going on, on standard error: one line a step."""

import sys
import time

_STARTED = time.monotonic()


def say(sentence: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:5.0f} s] {sentence}", file=sys.stderr, flush=True)
