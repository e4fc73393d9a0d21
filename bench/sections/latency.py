"""One request at a time: rembg, the service by upload and by URL, and the floor, in alternation."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import numpy as np
from matplotlib.axes import Axes

from bench import floor
from bench.images import SIZES
from bench.report import Goal, Samples, Section, record, say
from bench.sections import COLORS, LABELS, VARIANTS
from bench.servers import Stage

T = TypeVar("T")

_WARM_UPS = 2
# Seconds before each request: the threads of rembg spin for a while after a response.
_SETTLE = 0.2
_LARGE = 6  # megapixels, from which on there are fewer repetitions

# By megapixels: how many times as fast as rembg.
_FASTER = {"0.24": 1.3, "0.67": 1.6, "1.6": 2.2, "6": 3.2, "10.7": 3.8}
# The seconds that a request may take, by those of the floor.
_ALLOWED, _OF_ALLOWED = (1.15, 0.01), "seconds / floor.allowed"

_STEPS = ("download", "receive", "wait", "decode", "segment", "select", "encode")

SECTION = Section(
    "One at a time, by megapixels",
    "The floor decodes, runs the model once and encodes, in a process that does nothing else.",
    [
        ("times as fast as rembg", "rembg.seconds / seconds", "×"),
        ("of the floor", "seconds / floor.seconds", "×"),
        ("upload, ms", "seconds", "ms"),
        ("by URL, ms", "url", "ms"),
        ("floor, ms", "floor.seconds", "ms"),
        ("rembg, ms", "rembg.seconds", "ms"),
        *((f"{name}, ms", name, "ms") for name in _STEPS),
        *((f"floor: {name}, ms", f"floor.{name}", "ms") for name in floor.STEPS),
        ("response, KB", "size", "KB"),
        ("rembg, KB", "rembg.size", "KB"),
    ],
    [
        *(
            Goal(f"times as fast as rembg, {size} MP", size, "rembg.seconds / seconds", "×", "≥", n)
            for size, n in _FASTER.items()
        ),
        *(
            Goal(f"of 1.15 × the floor + 10 ms, {size:g} MP", f"{size:g}", _OF_ALLOWED, "×", "≤", 1)
            for size in SIZES
        ),
    ],
)


def measure(stage: Stage, samples: Samples) -> None:
    """Record rembg, the floor and each variant by megapixels."""
    with stage.service() as service, stage.rembg() as rembg, floor.running() as process:
        for megapixels in SIZES:
            size, name = f"{megapixels:g}", f"{megapixels:g}-plain"
            image, url = stage.images[name], stage.source.url(name)
            cutout = service.upload(image, edges="raw").raise_for_status().content
            process.submit(floor.prepare, image, cutout).result()
            count = stage.repeat(7, 2) if megapixels >= _LARGE else stage.repeat(15, 3)
            warm_up: Samples = {}
            for repetition in range(_WARM_UPS + count):
                kept = warm_up if repetition < _WARM_UPS else samples
                record(kept, size, "rembg", **_figures(_settled(rembg.upload, image)))
                for side, options in VARIANTS.items():
                    uploaded = _settled(service.upload, image, **options)
                    fetched = _settled(service.fetch, url, **options)
                    record(kept, size, side, **_figures(uploaded), **_steps(uploaded))
                    record(kept, size, side, url=_figures(fetched)["seconds"])
                steps = _settled(process.submit, floor.run).result()
                total = sum(steps.values())
                allowed = _ALLOWED[0] * total + _ALLOWED[1]
                record(kept, size, "floor", **steps, seconds=total, allowed=allowed)
            say("latency: " + SECTION.report({size: samples[size]}).rpartition("--- |\n")[2])


def _settled(send: Callable[..., T], *arguments: object, **options: str) -> T:
    time.sleep(_SETTLE)
    return send(*arguments, **options)


def _figures(response: httpx.Response) -> dict[str, float]:
    size = len(response.raise_for_status().content)
    return {"seconds": response.elapsed.total_seconds(), "size": size}


def _steps(response: httpx.Response) -> dict[str, float]:
    """Parse the header `decode;dur=1.5, ...`, in milliseconds, into seconds by step."""
    pairs = (entry.split(";dur=") for entry in response.headers["Server-Timing"].split(", "))
    return {name: float(took) / 1e3 for name, took in pairs}


def plot(axes: Axes, samples: Samples) -> None:
    """Draw the medians and quartiles by megapixels."""
    sizes = [float(size) for size in samples]
    for side in next(iter(samples.values())):
        seconds = [sides[side]["seconds"] for sides in samples.values()]
        low, middle, high = np.transpose([np.percentile(one, (25, 50, 75)) for one in seconds])
        style = "o--" if side == "floor" else "o-"
        axes.plot(sizes, middle, style, color=COLORS[side], markersize=4, label=LABELS[side])
        axes.fill_between(sizes, low, high, color=COLORS[side], alpha=0.2, lw=0)
    axes.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="seconds")
    axes.set_title("One image at a time")
    axes.set_xticks(sizes, list(samples))
    axes.minorticks_off()
    bottom, top = axes.get_ylim()
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if bottom <= tick <= top]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
