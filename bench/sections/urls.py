"""Do downloads overlap? URLs of a slow source, many at once, against uploads one after another: the model alone."""

from functools import partial

from bench.client import send_all
from bench.figures import ratio
from bench.progress import say
from bench.source import SLOWNESS
from bench.stage import Figures, Stage

_MEGAPIXELS = 0.67
_AT_ONCE = 16


def measure(stage: Stage) -> Figures:
    """Answers a second of each, in alternation."""
    picture, url = stage.pictures.plain[_MEGAPIXELS], stage.source.url(f"/slow/{_MEGAPIXELS}")
    count = stage.times(
        96, 32
    )  # enough that the first wait, which nothing can overlap, hardly counts
    by_url, by_upload = [], []
    with stage.ours() as ours:
        ours.fetch(url).right()
        for _ in range(stage.times(3, 1)):
            by_url.append(send_all([partial(ours.fetch, url)] * count, at_once=_AT_ONCE).a_second)
            by_upload.append(send_all([partial(ours.upload, picture)] * count, at_once=1).a_second)
    share = ratio(by_url, by_upload).median
    say(
        f"urls: {by_url[0]:.1f} a second from a source that waits {SLOWNESS} s, uploads {by_upload[0]:.1f} a second: {share:.2f}"
    )
    return {
        "at_once": _AT_ONCE,
        "megapixels": _MEGAPIXELS,
        "source_waits": SLOWNESS,
        "urls": by_url,
        "uploads": by_upload,
    }
