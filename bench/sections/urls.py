"""Many URLs of a slow source at once, against uploads one after another: do downloads overlap?"""

from functools import partial

from bench.report import Goal, Samples, Section, record, say
from bench.servers import SOURCE_WAITS, Stage, send_all

_MEGAPIXELS, _CONCURRENCY = 0.67, 16

SECTION = Section(
    "Slow sources",
    f"{_CONCURRENCY} requests at once by URL, whose source waits {SOURCE_WAITS} s before it "
    f"responds, beside uploads of the same image ({_MEGAPIXELS} MP) one after another.",
    [
        ("URLs per second", "urls", "/s"),
        ("uploads per second", "uploads", "/s"),
        ("share", "urls / uploads", "×"),
    ],
    [Goal("throughput by slow URLs, of uploads", ".*", "urls / uploads", "×", "≥", 0.95)],
)


def measure(stage: Stage, samples: Samples) -> None:
    """Record the responses per second of both, in alternation."""
    image, url = stage.images[f"{_MEGAPIXELS}-plain"], stage.source.url("slow")
    # Enough that the first wait, which nothing can overlap, hardly counts.
    count = stage.repeat(96, 32)
    with stage.service() as service:
        service.fetch(url).raise_for_status()
        for _ in range(stage.repeat(3, 1)):
            rates = {}
            for name, request, concurrency in (
                ("urls", partial(service.fetch, url), _CONCURRENCY),
                ("uploads", partial(service.upload, image), 1),
            ):
                seconds, responses = send_all([request] * count, concurrency)
                rates[name] = sum(response.is_success for response in responses) / seconds
            record(samples, "all", "default", **rates)
            say(f"urls: per second: {rates}")
