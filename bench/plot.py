"""The README's picture: latency by size, and memory under load."""

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.figures import spread
from bench.stage import Figures
from bench.targets import MB, floor_seconds

_COLOURS = {"rembg s": "#c2571a", "ours": "#1f5fa8", "floor": "#8a8a8a"}


def write_plot(results: Figures, file: Path) -> None:
    """Write a PNG of two panels."""
    matplotlib.rcParams.update(
        {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure = Figure(figsize=(11, 4.2), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    _latency(left, results["latency"])
    _memory(right, results["load"])
    figure.savefig(file)


def _latency(axes: Axes, latency: Figures) -> None:
    sizes = [float(size) for size in latency]
    lines = {
        "rembg s": [samples["peer"] for samples in latency.values()],
        "ours": [samples["ours"] for samples in latency.values()],
        "floor": [floor_seconds(samples) for samples in latency.values()],
    }
    for name, samples in lines.items():
        spreads = [spread(values) for values in samples]
        style = "--" if name == "floor" else "-"
        axes.plot(
            sizes,
            [one.median for one in spreads],
            style,
            color=_COLOURS[name],
            marker="o",
            markersize=4,
            label=name,
        )
        axes.fill_between(
            sizes,
            [one.low for one in spreads],
            [one.high for one in spreads],
            color=_COLOURS[name],
            alpha=0.2,
            lw=0,
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="megapixels",
        ylabel="seconds",
        title="One picture at a time",
    )
    axes.set_xticks(sizes, list(latency))
    axes.minorticks_off()
    ticks = [
        tick
        for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10)
        if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]
    ]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(axis="y", color="#dddddd")
    axes.legend(frameon=False)


def _memory(axes: Axes, load: Figures) -> None:
    names = list(load["loads"])
    for offset, (side, label) in enumerate((("peer", "rembg s"), ("ours", "ours"))):
        peaks = [load["loads"][name]["peak"][side] / MB for name in names]
        bars = axes.bar(
            [i + 0.4 * offset - 0.2 for i in range(len(names))],
            peaks,
            width=0.36,
            color=_COLOURS[label],
            label=label,
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=2)
    axes.set(title="Peak memory, many pictures at once, MB")
    axes.set_xticks(range(len(names)), [f"{name} MP" for name in names])
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.legend(frameon=False)
