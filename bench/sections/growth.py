"""The memory at rest after some mixed requests, and after many more: does it grow?"""

from functools import partial

import numpy as np

from bench.report import MB, Goal, Samples, Section, record, say
from bench.servers import Stage, send_all
from tests.support.process_memory import settled_pss

_CONCURRENCY, _BATCHES, _BATCH = 4, 11, 200

SECTION = Section(
    "Growth",
    f"Memory at rest after batches of {_BATCH} mixed requests, {_CONCURRENCY} at a time.",
    [
        ("at rest, MB", "rest", "MB"),
        ("growth, MB", "growth", "MB"),
        ("statuses", "status", "count"),
    ],
    [Goal("growth from the first batch to the last", ".*", "growth", "MB", "≤", 15 * MB)],
)


def measure(stage: Stage, samples: Samples) -> None:
    """Record bytes after each batch of requests."""
    size, random = stage.repeat(_BATCH, 20), np.random.default_rng(seed=0)
    images, source = stage.images, stage.source
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
            _, responses = send_all([requests[i] for i in chosen], _CONCURRENCY)
            statuses = [response.status_code for response in responses]
            rest = settled_pss(service.pid)
            record(samples, f"batch {batch + 1}", "default", rest=rest, status=statuses)
            say(f"growth: batch {batch + 1}: {rest / MB:.0f} MB")
    rests = [sides["default"]["rest"][0] for sides in samples.values()]
    record(samples, "last − first", "default", growth=rests[-1] - rests[0])
