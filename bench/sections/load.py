"""Many requests at once: throughput, latency, and the memory that they take."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from bench.images import KINDS
from bench.report import MB, Goal, Samples, Section, record, say
from bench.sections import COLORS, LABELS, VARIANTS
from bench.sections.memory import PEAKS, peak_goals
from bench.servers import LOADED, Burst, Launch, Stage
from tests.support.process_memory import watching

# How many requests the service admits by default.
ADMITTED = 16

# By load: how many times the throughput of rembg.
_THROUGHPUT = {"24 × 0.67 MP": 3.0, "8 × 10.7 MP": 5.0}

SECTION = Section(
    "Many at once",
    "Bursts on servers that have just started and served one image, and again on the same servers; "
    f"the service has {', '.join(f'{name}={value}' for name, value in LOADED.items())}. rembg "
    "takes its memory from the system in the first burst, and keeps it. Peaks are those of bursts "
    "of their own, so that sampling slows no other down. Mixed images are plain, rotated by EXIF, "
    "with a profile, progressive and CMYK in turn.",
    [
        ("times the throughput", "rembg.seconds / seconds", "×"),
        ("all, s", "seconds", "s"),
        ("per second", "rate", "/s"),
        ("p50, s", "latency@50", "s"),
        ("p95, s", "latency@95", "s"),
        ("rembg, all, s", "rembg.seconds", "s"),
        ("per second", "rembg.rate", "/s"),
        ("p50, s", "rembg.latency@50", "s"),
        ("p95, s", "rembg.latency@95", "s"),
        *PEAKS,
        ("statuses", "status", "count"),
    ],
    [
        *(
            Goal(
                f"times the throughput of rembg, {load}",
                load,
                "rembg.seconds / seconds",
                "×",
                "≥",
                n,
            )
            for load, n in _THROUGHPUT.items()
        ),
        *peak_goals("many at once"),
    ],
)


def loads(images: dict[str, bytes]) -> dict[str, list[bytes]]:
    """Return the images of each load."""
    return {
        f"{count} × {size} MP": [images[f"{size}-plain"]] * count
        for count, size in ((8, 0.67), (24, 0.67), (8, 10.7))
    }


def mixed(images: dict[str, bytes], size: int) -> list[bytes]:
    """Return as many images as the service admits, of each kind in turn."""
    return [images[f"{size}-{KINDS[i % len(KINDS)]}"] for i in range(ADMITTED)]


def figures(burst: Burst) -> dict[str, float | Sequence[float]]:
    """Return the samples of a burst."""
    seconds, responses = burst
    return {
        "seconds": seconds,
        "rate": len(responses) / seconds,
        "latency": [response.elapsed.total_seconds() for response in responses],
        "status": [response.status_code for response in responses],
    }


def measure(stage: Stage, samples: Samples) -> None:
    """Record bursts on servers that have just started, in alternation."""
    service = partial(stage.service, LOADED)
    sides: dict[str, tuple[Launch, dict[str, str]]] = {"rembg": (stage.rembg, {})}
    sides |= {side: (service, options) for side, options in VARIANTS.items()}
    for load, images in loads(stage.images).items():
        for _ in range(stage.repeat(3, 1)):
            for side, (launch, options) in sides.items():
                with launch() as server:
                    server.upload(images[0], **options).raise_for_status()
                    for case in (load, f"{load}, again"):
                        burst = server.upload_all(images, **options)
                        record(samples, case, side, **figures(burst))
                        say(f"load: {case}, {side}: {burst.seconds:.1f} s")
        for side in sides:
            record(samples, load, side, peak=_peak(*sides[side], images)[0])
    for size in (12, 24):
        images = mixed(stage.images, size)
        for side in VARIANTS:
            peak, burst = _peak(*sides[side], images)
            record(samples, f"{ADMITTED} × {size} MP, mixed", side, peak=peak, **figures(burst))


def _peak(launch: Launch, options: dict[str, str], images: list[bytes]) -> tuple[int, Burst]:
    with launch() as server:
        server.upload(images[0], **options).raise_for_status()
        with watching(server.pid) as watch:
            burst = server.upload_all(images, **options)
    say(f"load: {len(images)} images: peak {watch.peak / MB:.0f} MB")
    return watch.peak, burst


def plot(axes: Axes, samples: Samples) -> None:
    """Draw the peaks of each load."""
    loads = {case: sides for case, sides in samples.items() if "rembg" in sides and "," not in case}
    sides = list(next(iter(loads.values())))
    width = 0.8 / len(sides)
    places = np.arange(len(loads)) - 0.4 + width / 2
    for i, side in enumerate(sides):
        peaks = [of[side]["peak"][0] / MB for of in loads.values()]
        bars = axes.bar(
            places + i * width, peaks, 0.9 * width, color=COLORS[side], label=LABELS[side]
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=2)
    axes.set_title("Peak memory, many images at once, MB")
    axes.set_xticks(range(len(loads)), list(loads))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
