"""The memory at rest after some mixed requests, and after many more: does it grow?"""

from collections import Counter
from functools import partial

import numpy as np

from bench.report import MB, Figures, Target, at_most, counts, megabytes, say
from bench.servers import Stage, send_all
from tests.support.process_memory import settled_pss

_CONCURRENCY, _BATCHES, _BATCH = 4, 11, 200
_GROWTH = 15 * MB


def measure(stage: Stage) -> Figures:
    """Return bytes after each batch of requests, and how many responses had each status."""
    size, settled, statuses = stage.repeat(_BATCH, 20), [], Counter[str]()
    random = np.random.default_rng(seed=0)
    images, source = stage.images.named, stage.source
    photo = images["0.67-plain"]
    with stage.service() as service:
        # How often each request is made, in comparison.
        mix = {
            partial(service.upload, images["0.24-plain"]): 25,
            partial(service.upload, photo): 20,
            partial(service.fetch, source.url("0.67-plain")): 15,
            partial(service.upload, images["1.6-plain"]): 10,
            partial(service.upload, images["1.6-plain"], format="webp"): 5,
            partial(service.upload, photo, output="mask"): 5,
            partial(service.upload, images["6-plain"]): 4,
            partial(service.upload, images["12-rotated"]): 2,
            partial(service.upload, images["12-cmyk"]): 1,
            partial(service.upload, b"not an image"): 6,
            partial(service.upload, photo[: len(photo) // 2]): 6,
            partial(service.fetch, source.url("status_204")): 1,
        }
        requests, shares = list(mix), np.array(list(mix.values())) / sum(mix.values())
        for batch in range(stage.repeat(_BATCHES, 2)):
            chosen = random.choice(len(requests), size, p=shares)
            sent = send_all([requests[i] for i in chosen], _CONCURRENCY)
            statuses.update(sent.figures["statuses"])
            settled.append(settled_pss(service.process.pid))
            say(f"growth, batch {batch + 1}: {megabytes(settled[-1])} MB, {dict(statuses)}")
    return {
        "batch": size,
        "concurrency": _CONCURRENCY,
        "settled": settled,
        "statuses": dict(statuses),
    }


def report(figures: Figures) -> str:
    settled = figures["settled"]
    return (
        f"## Growth\n\n{(settled[-1] - settled[0]) / MB:.1f} MB from the first {figures['batch']} "
        f"mixed requests to the last, {figures['concurrency']} at a time. Memory at rest after "
        f"each {figures['batch']}, in MB: {', '.join(map(megabytes, settled))}. Responses by "
        f"status: {counts(figures['statuses'])}."
    )


def targets(figures: Figures) -> list[Target]:
    grown = (figures["settled"][-1] - figures["settled"][0]) / MB
    what = f"growth over {len(figures['settled']) - 1} × {figures['batch']} mixed requests"
    return [at_most(what, grown, _GROWTH / MB, "{:.1f} MB")]
