"""Does memory stay flat? PSS at rest after some mixed requests, and after many more."""

from functools import partial

import numpy as np

from bench.client import Request, send_all
from bench.memory import settled_pss
from bench.progress import say
from bench.servers import Server
from bench.stage import Figures, Stage

_AT_ONCE = 4
_BATCH = 200


def measure(stage: Stage) -> Figures:
    """PSS in bytes after each batch of requests, and how many answers had each status."""
    batches = stage.times(11, 2)
    random = np.random.default_rng(seed=0)
    size = stage.times(_BATCH, 20)
    figures: Figures = {"batch": size, "at_once": _AT_ONCE, "settled": [], "statuses": []}
    with stage.ours() as ours:
        kinds, weights = zip(*_mix(stage, ours), strict=True)
        shares = np.array(weights) / sum(weights)
        for batch in range(batches):
            chosen = random.choice(len(kinds), size, p=shares)
            sent = send_all([kinds[i] for i in chosen], _AT_ONCE)
            figures["settled"].append(settled_pss(ours.process.pid))
            figures["statuses"].append(sent.statuses)
            say(
                f"growth, batch {batch + 1} of {batches}: {figures['settled'][-1] / 1e6:.1f} MB, statuses {sent.statuses}"
            )
    return figures


def _mix(stage: Stage, ours: Server) -> list[tuple[Request, float]]:
    """Kinds of request, and how often each is made in comparison."""
    plain, hard, source = stage.pictures.plain, stage.pictures.hard, stage.source
    return [
        (partial(ours.upload, plain[0.24]), 25),
        (partial(ours.upload, plain[0.67]), 20),
        (partial(ours.fetch, source.url("/0.67")), 15),
        (partial(ours.upload, plain[1.6]), 10),
        (partial(ours.upload, plain[1.6], format="webp"), 5),
        (partial(ours.upload, plain[0.67], output="mask"), 5),
        (partial(ours.upload, plain[6]), 4),
        (partial(ours.upload, hard[12, "rotated"]), 2),
        (partial(ours.upload, hard[12, "cmyk"]), 1),
        (partial(ours.upload, b"not a picture"), 6),
        (partial(ours.upload, plain[0.67][: len(plain[0.67]) // 2]), 6),
        (partial(ours.fetch, source.url("/nothing")), 1),
    ]
