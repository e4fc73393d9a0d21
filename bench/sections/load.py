"""Many requests at once: throughput, latency, and the memory that they take."""

from functools import partial
from statistics import median

import numpy as np
from matplotlib.axes import Axes

from bench.report import (
    MB,
    Figures,
    Target,
    at_least,
    counts,
    megabytes,
    percentiles,
    ratio,
    say,
    table,
    times,
)
from bench.sections import COLORS, VARIANTS, label, variants
from bench.sections.memory import peak_targets
from bench.servers import LOADED, Launch, Stage
from tests.support.process_memory import watching

# How many images at once, and their megapixels.
LOADS = ((8, 0.67), (24, 0.67), (8, 10.7))
# How many requests the service admits by default.
ADMITTED = 16

# By load: how many times the throughput of rembg.
_THROUGHPUT = {"24 × 0.67": 3.0, "8 × 10.7": 5.0}


def measure(stage: Stage) -> Figures:
    """Send bursts to servers that have just started, in alternation, and each burst once more.

    rembg takes its memory from the system in the first burst, and keeps it for the second.
    """
    service = partial(stage.service, LOADED)
    sides: dict[str, tuple[Launch, dict[str, str]]] = {"rembg": (stage.rembg, {})}
    sides |= {name: (service, options) for name, options in VARIANTS.items()}
    loads: Figures = {}
    for count, megapixels in LOADS:
        images, name = [stage.images.plain[megapixels]] * count, f"{count} × {megapixels:g}"
        bursts: Figures = {side: {"first": [], "again": []} for side in sides}
        for _ in range(stage.repeat(3, 1)):
            for side, (launch, options) in sides.items():
                with launch() as server:
                    server.upload(images[0], **options).expect_ok()
                    for burst in ("first", "again"):
                        sent = server.upload_all(images, **options)
                        bursts[side][burst].append(sent.figures)
        for side, (launch, options) in sides.items():
            bursts[side]["peak"] = _peak(launch, images, options)["peak"]
        loads[name] = bursts
        for row in _rows(name, bursts):
            say(f"load: {' | '.join(row)}")
    mixed: Figures = {}
    for megapixels in (12, 24):
        images = stage.images.mixed(megapixels, ADMITTED)
        mixed[f"{megapixels}"] = {
            name: _peak(service, images, options) for name, options in VARIANTS.items()
        }
        say(f"load: {ADMITTED} mixed images of {megapixels} MP: {mixed[f'{megapixels}']}")
    return {"settings": LOADED, "loads": loads, "mixed": mixed}


def _peak(launch: Launch, images: list[bytes], options: dict[str, str]) -> Figures:
    """Measure the peak of a burst on a server of its own: sampling would slow others down."""
    with launch() as server:
        server.upload(images[0], **options).expect_ok()
        with watching(server.process.pid) as watch:
            sent = server.upload_all(images, **options)
    return {"peak": watch.peak, **sent.figures}


def seconds(bursts: list[Figures]) -> list[float]:
    """Return how long each burst took."""
    return [burst["seconds"] for burst in bursts]


def _rows(name: str, sides: Figures) -> list[tuple[str, ...]]:
    rembg = sides["rembg"]
    return [
        (
            f"{name}, {burst}",
            variant,
            times(seconds(rembg[burst]), seconds(sides[variant][burst])),
            f"{sides[variant]['peak'] / rembg['peak']:.0%}",
            _burst(sides[variant], burst),
            _burst(rembg, burst),
        )
        for variant in variants(sides)
        for burst in ("first", "again")
    ]


def _burst(side: Figures, burst: str) -> str:
    latencies = [latency for one in side[burst] for latency in one["latencies"]]
    total = median(seconds(side[burst]))
    rate = len(latencies) / len(side[burst]) / total
    ranks = percentiles(latencies)
    return (
        f"{total:.1f} s, {rate:.1f} per second, p50 {ranks['p50']:.1f}, p95 {ranks['p95']:.1f}, "
        f"{megabytes(side['peak'])} MB"
    )


def report(figures: Figures) -> str:
    header = (
        "at once × MP | options | times the throughput | peak memory, share of rembg's | service "
        "| rembg"
    )
    rows = [row for name, sides in figures["loads"].items() for row in _rows(name, sides)]
    mixed = [
        (size, name, megabytes(one["peak"]), f"{one['seconds']:.1f}", counts(one["statuses"]))
        for size, sides in figures["mixed"].items()
        for name, one in sides.items()
    ]
    settings = ", ".join(f"{name}={value}" for name, value in figures["settings"].items())
    return (
        "## Many at once\n\nBursts on servers that have just started and served one image, and "
        f"again on the same servers; the service has {settings}. rembg takes its memory from the "
        "system in the first burst, and keeps it. Peaks are of bursts of their own.\n\n"
        f"{table(header, rows)}\n\nThe service with {ADMITTED} images at "
        "once: plain, rotated by EXIF, with a profile, progressive and CMYK in turn.\n\n"
        + table("MP | options | peak, MB | seconds | responses by status", mixed)
    )


def targets(figures: Figures) -> list[Target]:
    found, peaks = [], {}
    for name, sides in figures["loads"].items():
        for variant in variants(sides):
            peaks[f"{name.partition(' × ')[2]}, {name}, {variant}"] = sides[variant]["peak"]
            if name in _THROUGHPUT:
                faster = ratio(seconds(sides["rembg"]["first"]), seconds(sides[variant]["first"]))
                what = f"throughput beside rembg, {name} MP, {variant}"
                found.append(at_least(what, faster, _THROUGHPUT[name]))
    for size, sides in figures["mixed"].items():
        peaks |= {f"{size}, mixed, {name}": one["peak"] for name, one in sides.items()}
    return found + peak_targets("many at once", peaks)


def plot(axes: Axes, figures: Figures) -> None:
    """Draw the peaks of each load."""
    loads = figures["loads"]
    names = ("rembg", *variants(next(iter(loads.values()))))
    width = 0.8 / len(names)
    places = np.arange(len(loads)) - 0.4 + width / 2
    for i, name in enumerate(names):
        peaks = [sides[name]["peak"] / MB for sides in loads.values()]
        bars = axes.bar(
            places + i * width, peaks, width=0.9 * width, color=COLORS[name], label=label(name)
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=2)
    axes.set_title("Peak memory, many images at once, MB")
    axes.set_xticks(range(len(loads)), [f"{name} MP" for name in loads])
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
