"""The reporter of every measurement: figures, tables, targets, files, plots and progress.

Times are in seconds and sizes in bytes, in code and results; 1 MB is 1,000,000 bytes.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import psutil
from matplotlib.axes import Axes
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
MB = 1e6

Figures = dict[str, Any]

_STARTED = time.monotonic()


class Target(NamedTuple):
    """What is wanted of a figure, and whether it is met."""

    what: str
    wanted: str
    measured: str
    met: bool


def at_least(what: str, value: float, wanted: float, form: str = "{:.2f} ×") -> Target:
    """Return the target that `value` is `wanted` or more."""
    return Target(what, f"≥ {form.format(wanted)}", form.format(value), value >= wanted)


def at_most(what: str, value: float, wanted: float, form: str = "{:.2f} ×") -> Target:
    """Return the target that `value` is `wanted` or less."""
    return Target(what, f"≤ {form.format(wanted)}", form.format(value), value <= wanted)


def none_of(what: str, count: int) -> Target:
    """Return the target that there is none."""
    return Target(what, "0", str(count), count == 0)


def megabytes(size: float) -> str:
    """Write bytes as megabytes."""
    return f"{size / MB:,.0f}"


def spread(samples: Sequence[float], scale: float = 1, digits: int = 0) -> str:
    """Write the median of samples, and their quartiles in brackets."""
    quartiles = np.percentile(samples, [25, 50, 75]) * scale
    low, middle, high = (f"{value:.{digits}f}" for value in quartiles)
    return middle if low == high else f"{middle} ({low}–{high})"


def ratio(dividends: Sequence[float], divisors: Sequence[float]) -> float:
    """Return the ratio of two medians."""
    return median(dividends) / median(divisors)


def times(dividends: Sequence[float], divisors: Sequence[float]) -> str:
    """Write the ratio of two medians, and the quartiles of the paired samples' ratios."""
    pairs = [one / other for one, other in zip(dividends, divisors, strict=True)]
    low, high = np.percentile(pairs, [25, 75])
    return f"**{ratio(dividends, divisors):.2f} ×** ({low:.2f}–{high:.2f})"


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99, or nothing of nothing."""
    if not samples:
        return {}
    return {f"p{rank}": float(np.percentile(samples, rank)) for rank in (50, 95, 99)}


def counts(numbers: Mapping[str, int]) -> str:
    """Write how many there are of each, the most first."""
    ordered = sorted(numbers.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} × `{name}`" for name, count in ordered)


def table(header: str, rows: Iterable[Sequence[object]]) -> str:
    """Write a table in Markdown; the header's cells are separated by ` | `."""
    titles = header.split(" | ")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def target_table(targets: Iterable[Target]) -> str:
    """Write targets as a table."""
    rows = [(*target[:3], "met" if target.met else "**missed**") for target in targets]
    return table("what | wanted | measured | ", rows)


def machine() -> Figures:
    """Describe the machine by nothing that identifies it or its user."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    about = {
        name.strip(): value.strip() for name, _, value in (row.partition(":") for row in lines)
    }
    avx512 = "with" if "avx512f" in about.get("flags", "").split() else "without"
    return {
        "processor": f"{about.get('model name', platform.machine())} {avx512} AVX-512",
        "cores": len(os.sched_getaffinity(0)),
        "busy_percent": psutil.cpu_percent(interval=2),
        "memory": psutil.virtual_memory().total,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def about(machine: Figures) -> str:
    """Write the description of a machine."""
    return (
        f"{machine['processor']}, {machine['cores']} cores "
        f"({machine['busy_percent']:.0f} % busy before the run), {megabytes(machine['memory'])} "
        f"MB, {machine['kernel']}, Python {machine['python']}"
    )


def versions(names: Iterable[str], site_packages: str | None = None) -> dict[str, str]:
    """Return the installed versions of packages, here or in another environment."""
    path = sys.path if site_packages is None else [site_packages]
    installed = {package.name.lower(): package.version for package in distributions(path=path)}
    return {name: installed[name] for name in names}


def write_json(file: Path, results: Figures) -> None:
    """Write every sample."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")


@contextmanager
def two_panels(file: Path) -> Iterator[tuple[Axes, Axes]]:
    """Save a plot of two panels as PNG when the block ends."""
    matplotlib.rcParams.update(
        {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure = Figure(figsize=(11, 4.2), dpi=130, layout="constrained")
    left, right = figure.subplots(1, 2)
    yield left, right
    for axes in (left, right):
        axes.grid(axis="y", color="#dddddd")
        axes.set_axisbelow(True)
        axes.legend(frameon=False)
    figure.savefig(file)


def say(sentence: str) -> None:
    """Tell the progress on standard error, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:5.0f} s] {sentence}", file=sys.stderr, flush=True)
