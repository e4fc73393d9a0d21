"""One request at a time: ours by upload and by URL, the peer by upload, and the floor, in alternation."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import ParamSpec, TypeVar

from bench import floor
from bench.figures import ratio, spread
from bench.progress import say
from bench.stage import Figures, Stage

P = ParamSpec("P")
T = TypeVar("T")

_WARM_UPS = 2
_SETTLE = 0.2  # seconds between two of them: the peer's threads spin for a while after its answer
_LARGE = 6  # megapixels: from here on, fewer repetitions


def measure(stage: Stage) -> Figures:
    """Every sample, by megapixels."""
    with ExitStack() as stack:
        ours, peer = stack.enter_context(stage.ours()), stack.enter_context(stage.peer())
        ground = stack.enter_context(floor.running())
        figures: Figures = {}
        for megapixels, picture in stage.pictures.plain.items():
            url = stage.source.url(f"/{megapixels}")
            cutout = ours.upload(picture).right().body
            ground.load(picture, cutout)
            samples: Figures = {"ours": [], "peer": [], "url": [], "floor": [], "steps_ms": []}
            times = stage.times(7, 2) if megapixels >= _LARGE else stage.times(15, 3)
            for repetition in range(_WARM_UPS + times):
                mine = _settled(ours.upload, picture).right()
                theirs = _settled(peer.upload, picture).right()
                fetched = _settled(ours.fetch, url).right()
                lowest = _settled(ground.run)
                if repetition < _WARM_UPS:
                    continue
                samples["ours"].append(mine.seconds)
                samples["peer"].append(theirs.seconds)
                samples["url"].append(fetched.seconds)
                samples["floor"].append(lowest)
                samples["steps_ms"].append(_steps(mine.headers["server-timing"]))
            samples["answer_bytes"] = {"ours": len(mine.body), "peer": len(theirs.body)}
            figures[str(megapixels)] = samples
            _say(megapixels, samples)
    return figures


def _settled(measured: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    time.sleep(_SETTLE)
    return measured(*arguments, **options)


def _steps(server_timing: str) -> dict[str, float]:
    """`decode;dur=1.5, ...` -> milliseconds by step."""
    pairs = (entry.split(";dur=") for entry in server_timing.split(", "))
    return {name: float(took) for name, took in pairs}


def _say(megapixels: float, samples: Figures) -> None:
    ours, peer, url = (1000 * spread(samples[name]).median for name in ("ours", "peer", "url"))
    lowest = 1000 * spread([sum(steps.values()) for steps in samples["floor"]]).median
    faster = ratio(samples["peer"], samples["ours"]).median
    say(
        f"latency, {megapixels} MP: ours {ours:.0f} ms, by URL {url:.0f} ms, floor {lowest:.0f} ms, peer {peer:.0f} ms: "
        f"{faster:.1f} times as fast"
    )
