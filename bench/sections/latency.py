"""One request at a time: rembg, the service by upload and by URL, and the floor, in alternation."""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from statistics import median
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes

from bench import floor
from bench.report import MB, Figures, Target, at_least, at_most, ratio, say, spread, table, times
from bench.sections import COLORS, VARIANTS, label, variants
from bench.servers import Server, Stage

T = TypeVar("T")

_WARM_UPS = 2
# Seconds before each request: the threads of rembg spin for a while after a response.
_SETTLE = 0.2
_LARGE = 6  # megapixels, from which on there are fewer repetitions

# By megapixels: how many times as fast as rembg.
_FASTER = {"0.24": 1.3, "0.67": 1.6, "1.6": 2.2, "6": 3.2, "10.7": 3.8}
# The most that a request may take: a multiple of the floor, and seconds.
_OVER_FLOOR, _OVER_FLOOR_SECONDS = 1.15, 0.01


def measure(stage: Stage) -> Figures:
    """Return every sample by megapixels and by what was measured: rembg, floor and variants."""
    figures: Figures = {}
    with stage.service() as service, stage.rembg() as rembg, floor.running() as process:
        for megapixels, image in stage.images.plain.items():
            count = stage.repeat(7, 2) if megapixels >= _LARGE else stage.repeat(15, 3)
            url = stage.source.url(f"{megapixels:g}-plain")
            samples = _samples(count, image, url, service, rembg, process)
            figures[f"{megapixels:g}"] = samples
            for row in _rows(f"{megapixels:g}", samples):
                say(f"latency: {' | '.join(row)}")
    return figures


def _samples(
    count: int, image: bytes, url: str, service: Server, rembg: Server, process: Executor
) -> Figures:
    cutout = service.upload(image, edges="raw").expect_ok().body
    process.submit(floor.prepare, image, cutout).result()
    samples: Figures = {"rembg": {"upload": []}, "floor": {"steps": []}}
    samples |= {name: {"upload": [], "url": [], "steps_ms": []} for name in VARIANTS}
    sizes = {}
    for _ in range(_WARM_UPS + count):
        uploaded = {"rembg": _settled(rembg.upload, image)}
        for name, options in VARIANTS.items():
            uploaded[name] = _settled(service.upload, image, **options)
            fetched = _settled(service.fetch, url, **options).expect_ok()
            samples[name]["url"].append(fetched.seconds)
            samples[name]["steps_ms"].append(_steps_ms(uploaded[name].headers["Server-Timing"]))
        samples["floor"]["steps"].append(_settled(process.submit, floor.run).result())
        for name, response in uploaded.items():
            samples[name]["upload"].append(response.expect_ok().seconds)
            sizes[name] = len(response.body)
    for series in (series for one in samples.values() for series in one.values()):
        del series[:_WARM_UPS]
    for name, size in sizes.items():
        samples[name]["response_bytes"] = size
    return samples


def _settled(measured: Callable[..., T], *arguments: object, **options: str) -> T:
    time.sleep(_SETTLE)
    return measured(*arguments, **options)


def _steps_ms(server_timing: str) -> dict[str, float]:
    """Parse `decode;dur=1.5, ...` into milliseconds by step."""
    pairs = (entry.split(";dur=") for entry in server_timing.split(", "))
    return {name: float(took) for name, took in pairs}


def _floor(samples: Figures) -> list[float]:
    return [sum(steps.values()) for steps in samples["floor"]["steps"]]


def _rows(size: str, samples: Figures) -> list[tuple[str, ...]]:
    return [
        (
            size,
            name,
            times(samples["rembg"]["upload"], samples[name]["upload"]),
            times(samples[name]["upload"], _floor(samples)),
            spread(samples[name]["upload"], 1e3),
            spread(samples[name]["url"], 1e3),
            spread(_floor(samples), 1e3),
            spread(samples["rembg"]["upload"], 1e3),
            ", ".join(f"{samples[one]['response_bytes'] / MB:.2f}" for one in (name, "rembg")),
        )
        for name in variants(samples)
    ]


def _step_rows(size: str, samples: Figures) -> list[tuple[str, ...]]:
    def medians(steps: list[dict[str, float]], scale: float = 1) -> list[str]:
        return [f"{name} {median(one[name] for one in steps) * scale:.0f}" for name in steps[0]]

    of_floor = ", ".join(medians(samples["floor"]["steps"], 1e3))
    return [
        (size, name, ", ".join(medians(samples[name]["steps_ms"])), of_floor)
        for name in variants(samples)
    ]


def report(figures: Figures) -> str:
    header = (
        "MP | options | times as fast | over the floor | upload, ms | by URL, ms | floor, ms "
        "| rembg, ms | response, MB: service, rembg"
    )
    rows = [row for size, samples in figures.items() for row in _rows(size, samples)]
    steps = [row for size, samples in figures.items() for row in _step_rows(size, samples)]
    return (
        f"## One at a time\n\n{table(header, rows)}\n\nThe steps in ms: the service's by its "
        "Server-Timing header.\n\n" + table("MP | options | service | floor", steps)
    )


def targets(figures: Figures) -> list[Target]:
    found = []
    for size, samples in figures.items():
        floor_seconds = median(_floor(samples))
        most = (_OVER_FLOOR * floor_seconds + _OVER_FLOOR_SECONDS) * 1e3
        for name in variants(samples):
            what, seconds = f"{size} MP, {name}", samples[name]["upload"]
            if size in _FASTER:
                faster = ratio(samples["rembg"]["upload"], seconds)
                found.append(at_least(f"speed beside rembg, {what}", faster, _FASTER[size]))
            found.append(
                at_most(
                    f"{_OVER_FLOOR} × the floor + 10 ms, {what}",
                    median(seconds) * 1e3,
                    most,
                    "{:.0f} ms",
                )
            )
    return found


def plot(axes: Axes, figures: Figures) -> None:
    """Draw the medians and quartiles by megapixels."""
    sizes = [float(size) for size in figures]
    first = next(iter(figures.values()))
    lines = {
        name: [one[name]["upload"] for one in figures.values()]
        for name in ("rembg", *variants(first))
    }
    lines["floor"] = [_floor(samples) for samples in figures.values()]
    for name, samples in lines.items():
        low, middle, high = np.transpose([np.percentile(one, (25, 50, 75)) for one in samples])
        style = "o--" if name == "floor" else "o-"
        axes.plot(sizes, middle, style, color=COLORS[name], markersize=4, label=label(name))
        axes.fill_between(sizes, low, high, color=COLORS[name], alpha=0.2, lw=0)
    axes.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="seconds")
    axes.set_title("One image at a time")
    axes.set_xticks(sizes, list(figures))
    axes.minorticks_off()
    bottom, top = axes.get_ylim()
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if bottom <= tick <= top]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
