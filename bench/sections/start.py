"""The time from the start of the process to ready, and to the first response with an image."""

import tempfile
import time
from statistics import median

from bench.report import Figures, Target, at_most, say, spread, table
from bench.servers import Launch, Stage

_MEGAPIXELS = 0.24
_WARM_READY = 2.5  # seconds


def measure(stage: Stage) -> Figures:
    """Measure one cold start and several warm ones of each server, in alternation."""
    servers: dict[str, Launch] = {"service": stage.service, "rembg": stage.rembg}
    image = stage.images.plain[_MEGAPIXELS]
    figures: Figures = {name: {"cold": [], "warm": []} for name in servers}
    for kind in ("cold", *("warm",) * stage.repeat(3, 1)):
        for name, launch in servers.items():
            with tempfile.TemporaryDirectory() as empty:
                caches = {"PYTHONPYCACHEPREFIX": empty, "NUMBA_CACHE_DIR": empty}
                with launch(caches if kind == "cold" else {}, wait=False) as server:
                    ready = server.wait_until_ready()
                    server.upload(image).expect_ok()
                    first = time.perf_counter() - server.started
            figures[name][kind].append({"ready": ready, "first_response": first})
            say(f"start, {kind}, {name}: ready {ready:.2f} s, first response {first:.2f} s")
    return figures


def seconds(figures: Figures, server: str, kind: str, what: str) -> list[float]:
    """Return the samples of `ready` or `first_response`."""
    return [sample[what] for sample in figures[server][kind]]


def report(figures: Figures) -> str:
    what = ("ready", "first_response")
    rows = [
        (kind, name, *(spread(seconds(figures, name, kind, one), digits=2) for one in what))
        for kind in ("cold", "warm")
        for name in figures
    ]
    return (
        "## Start\n\nA cold start has nothing compiled: neither Python's bytecode nor numba's "
        "machine code. The service is ready once the model has processed an image; rembg loads "
        f"its model at the first request.\n\n{table(' |  | ready, s | first response, s', rows)}"
    )


def targets(figures: Figures) -> list[Target]:
    ready = median(seconds(figures, "service", "warm", "ready"))
    return [at_most("start to ready, warm", ready, _WARM_READY, "{:.2f} s")]
