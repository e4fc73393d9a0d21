"""The report's picture: memory and latency by minute."""

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.stage import Figures
from bench.targets import MB

_COLOURS = {
    "peak": "#c2571a",
    "at rest": "#1f5fa8",
    "p99": "#c2571a",
    "p95": "#8a8a8a",
    "p50": "#1f5fa8",
}
_LIMIT = 512  # megabytes: what the service must live in


def write_plot(results: Figures, file: Path) -> None:
    """Write a PNG of two panels."""
    matplotlib.rcParams.update(
        {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure = Figure(figsize=(11, 4.2), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    memory = results["memory"]
    _line(left, "at rest", range(results["minutes"] + 1), [rest / MB for rest in memory["rests"]])
    _line(left, "peak", range(1, results["minutes"] + 1), [peak / MB for peak in memory["peaks"]])
    left.axhline(_LIMIT, color="#444444", linestyle="--", linewidth=1)
    left.annotate(f"{_LIMIT} MB", (0, _LIMIT), xytext=(0, 4), textcoords="offset points")
    _finish(left, "Memory of the process tree, MB", 1.15 * _LIMIT)
    for name in ("p99", "p95", "p50"):
        _line(
            right,
            name,
            range(1, results["minutes"] + 1),
            [latency[name] for latency in results["good_by_minute"]],
        )
    _finish(right, "Latency of good pictures amid all the rest, s")
    figure.savefig(file)


def _line(axes: Axes, name: str, minutes: range, values: list[float]) -> None:
    axes.plot(minutes, values, color=_COLOURS[name], marker="o", markersize=4, label=name)


def _finish(axes: Axes, title: str, top: float | None = None) -> None:
    axes.set(title=title, xlabel="minute")
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#dddddd")
    axes.legend(frameon=False, loc="lower right")
