"""Many URLs of a slow source at once, against uploads one after another: do downloads overlap?"""

from functools import partial

from bench.report import Figures, Target, at_least, ratio, say, spread, times
from bench.servers import SOURCE_WAITS, Burst, Stage, send_all

_MEGAPIXELS, _CONCURRENCY = 0.67, 16
_SHARE = 0.95


def measure(stage: Stage) -> Figures:
    """Return the responses per second of both, in alternation."""
    image, url = stage.images.plain[_MEGAPIXELS], stage.source.url("slow")
    # Enough that the first wait, which nothing can overlap, hardly counts.
    count = stage.repeat(96, 32)
    by_url, by_upload = [], []
    with stage.service() as service:
        service.fetch(url).expect_ok()
        for _ in range(stage.repeat(3, 1)):
            fetches, uploads = partial(service.fetch, url), partial(service.upload, image)
            by_url.append(_per_second(send_all([fetches] * count, _CONCURRENCY)))
            by_upload.append(_per_second(send_all([uploads] * count, 1)))
            say(f"urls: {by_url[-1]:.1f} per second, uploads {by_upload[-1]:.1f}")
    return {
        "concurrency": _CONCURRENCY,
        "megapixels": _MEGAPIXELS,
        "source_waits": SOURCE_WAITS,
        "urls": by_url,
        "uploads": by_upload,
    }


def _per_second(burst: Burst) -> float:
    return sum(response.status == 200 for response in burst.responses) / burst.seconds


def report(figures: Figures) -> str:
    urls, uploads = figures["urls"], figures["uploads"]
    return (
        f"## Slow sources\n\n{figures['concurrency']} requests at once by URL, whose source waits "
        f"{figures['source_waits']} s before it responds, have {times(urls, uploads)} the "
        f"throughput of uploads of the same image ({figures['megapixels']} MP) one after another: "
        f"{spread(urls, digits=2)} per second against {spread(uploads, digits=2)}."
    )


def targets(figures: Figures) -> list[Target]:
    share = ratio(figures["urls"], figures["uploads"])
    return [at_least("throughput by slow URLs, of uploads'", share, _SHARE)]
