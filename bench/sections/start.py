"""The time from the start of the process to ready, and to the first response with an image."""

import tempfile
import time

from bench.report import Goal, Samples, Section, record, say
from bench.servers import Launch, Stage

SECTION = Section(
    "Start",
    "A cold start has nothing compiled: neither Python's bytecode nor numba's machine code. The "
    "service is ready once the model has processed an image; rembg loads its model at the first "
    "request.",
    [
        ("ready", "ready", "s"),
        ("rembg, ready", "rembg.ready", "s"),
        ("first response", "seconds", "s"),
        ("rembg, first response", "rembg.seconds", "s"),
    ],
    [Goal("start to ready", "warm", "ready", "s", "≤", 2.5)],
)


def measure(stage: Stage, samples: Samples) -> None:
    """Measure one cold start and several warm ones of each server, in alternation."""
    servers: dict[str, Launch] = {"default": stage.service, "rembg": stage.rembg}
    for kind in ("cold", *("warm",) * stage.repeat(3, 1)):
        for side, launch in servers.items():
            with tempfile.TemporaryDirectory() as empty:
                caches = {"PYTHONPYCACHEPREFIX": empty, "NUMBA_CACHE_DIR": empty}
                with launch(caches if kind == "cold" else {}, wait=False) as server:
                    ready = server.wait_until_ready()
                    server.upload(stage.images["0.24-plain"]).raise_for_status()
                    seconds = time.perf_counter() - server.process.started
            record(samples, kind, side, ready=ready, seconds=seconds)
            say(f"start, {kind}, {side}: ready {ready:.2f} s, first response {seconds:.2f} s")
