"""The plots: latency and memory beside rembg's server, and of a soak by minute."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report import MB, Samples

_COLORS = {"rembg": "#c2571a", "default": "#1f5fa8", "edges=raw": "#6fa8dc", "floor": "#8a8a8a"}
_LABELS = {"rembg": "rembg s", "floor": "floor"}
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.marker": "o",
    "lines.markersize": 4,
}
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10)  # seconds
# By panel of a soak: the title, the unit, and the figures with their colors.
_SOAK = (
    ("Memory, MB", MB, {"peak": "#c2571a", "rest": "#1f5fa8"}),
    ("Latency of good images, s", 1, {"p99": "#c2571a", "p95": "#8a8a8a", "p50": "#1f5fa8"}),
)


@contextmanager
def _two_panels(file: Path) -> Iterator[tuple[Axes, Axes]]:
    """Save a plot of two panels as PNG when the block ends."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(11, 4.2), dpi=130, layout="constrained")
        left, right = figure.subplots(1, 2)
        yield left, right
        for axes in (left, right):
            axes.grid(axis="y", color="#dddddd")
            axes.set_axisbelow(True)
            axes.legend(frameon=False)
        figure.savefig(file)


def plot_bench(latency: Samples, load: Samples, file: Path) -> None:
    """Draw the medians and quartiles of latency by megapixels, and the peaks of each load."""
    with _two_panels(file) as (left, right):
        _plot_latency(left, latency)
        _plot_peaks(right, load)


def _label(side: str) -> str:
    return _LABELS.get(side, f"this service, {side}")


def _plot_latency(axes: Axes, samples: Samples) -> None:
    samples = {case: sides for case, sides in samples.items() if "floor" in sides}
    sizes = [float(size) for size in samples]
    for side in next(iter(samples.values())):
        seconds = [sides[side]["seconds"] for sides in samples.values()]
        low, middle, high = np.transpose([np.percentile(one, (25, 50, 75)) for one in seconds])
        line = "--" if side == "floor" else "-"
        axes.plot(sizes, middle, linestyle=line, color=_COLORS[side], label=_label(side))
        axes.fill_between(sizes, low, high, color=_COLORS[side], alpha=0.2, lw=0)
    axes.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="seconds")
    axes.set_title("One image at a time")
    axes.set_xticks(sizes, list(samples))
    axes.minorticks_off()
    bottom, top = axes.get_ylim()
    ticks = [tick for tick in _TICKS if bottom <= tick <= top]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _plot_peaks(axes: Axes, samples: Samples) -> None:
    loads = {case: sides for case, sides in samples.items() if "rembg" in sides and "," not in case}
    sides = list(next(iter(loads.values())))
    width = 0.8 / len(sides)
    for i, side in enumerate(sides):
        places = np.arange(len(loads)) + (i - (len(sides) - 1) / 2) * width
        peaks = [of[side]["peak"][0] / MB for of in loads.values()]
        bars = axes.bar(places, peaks, 0.9 * width, color=_COLORS[side], label=_label(side))
        axes.bar_label(bars, fmt="{:,.0f}", padding=2)
    axes.set_title("Peak memory, many images at once, MB")
    axes.set_xticks(range(len(loads)), list(loads))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def plot_soak(by_minute: Samples, limit: float, file: Path) -> None:
    """Draw memory, beside its limit in bytes, and latency by minute."""
    with _two_panels(file) as panels:
        label = f"{limit / MB:.0f} MB"
        panels[0].axhline(limit / MB, color="#444444", ls="--", lw=1, marker="", label=label)
        for axes, (title, scale, colors) in zip(panels, _SOAK, strict=True):
            for name, color in colors.items():
                by_name = {int(minute): sides["default"] for minute, sides in by_minute.items()}
                points = [(minute, of[name][0]) for minute, of in by_name.items() if of.get(name)]
                minutes, values = np.transpose(points)
                axes.plot(minutes, values / scale, color=color, label=name)
            axes.set(title=title, xlabel="minute")
            axes.set_ylim(0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
