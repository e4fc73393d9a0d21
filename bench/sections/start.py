"""From the start of the process to ready, and to the first picture's answer.

Cold is a first start, with nothing compiled: an empty folder for Python's bytecode and for numba's machine code. Warm is any later
one. Ready is the first 200: of /readyz on our side, which has by then answered a picture; of the API's page on the peer's, which
loads its model at the first request.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from bench.figures import spread
from bench.progress import say
from bench.servers import Server
from bench.stage import Figures, Stage

_PICTURE = 0.24  # megapixels

Starting = Callable[..., AbstractContextManager[Server]]


def measure(stage: Stage) -> Figures:
    """One cold start and several warm ones on each side, in alternation."""
    sides: dict[str, Starting] = {"ours": stage.ours_starting, "peer": stage.peer_starting}
    figures: Figures = {name: {"cold": [], "warm": []} for name in sides}
    for name, starting in sides.items():
        with tempfile.TemporaryDirectory() as empty:
            sample = _start(stage, starting, PYTHONPYCACHEPREFIX=empty, NUMBA_CACHE_DIR=empty)
        figures[name]["cold"].append(sample)
        say(
            f"start, cold, {name}: ready after {sample['ready']:.1f} s, first answer after {sample['first_answer']:.1f} s"
        )
    for _ in range(stage.times(3, 1)):
        for name, starting in sides.items():
            figures[name]["warm"].append(_start(stage, starting))
    for name in sides:
        ready, first = (
            spread([sample[key] for sample in figures[name]["warm"]]).median
            for key in ("ready", "first_answer")
        )
        say(f"start, warm, {name}: ready after {ready:.2f} s, first answer after {first:.2f} s")
    return figures


def _start(stage: Stage, starting: Starting, **environment: str) -> dict[str, float]:
    with starting(**environment) as server:
        ready = server.wait_until_ready()
        server.upload(stage.pictures.plain[_PICTURE]).right()
        return {"ready": ready, "first_answer": time.perf_counter() - server.started}
