"""The reporter of every measurement: figures, tables, targets, files and progress.

Times are in seconds and sizes in bytes, in code and results; 1 MB is 1,000,000 bytes.
"""

import json
import os
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil

RESULTS = Path(__file__).parent / "results"
MB = 1e6
# How every page that shows memory explains it.
MEMORY = "Memory is the PSS of the whole process tree; 1 MB is 1,000,000 bytes."

Figures = dict[str, Any]
# What a section has measured: samples by case, by side (a server and its options), and by name.
Sides = dict[str, dict[str, list[Any]]]
Samples = dict[str, Sides]

# By unit: the factor from seconds, bytes or numbers, and the decimals to show.
_UNITS = {
    "ms": (1e3, 0),
    "s": (1, 2),
    "MB": (1 / MB, 0),
    "KB": (1e-3, 0),
    "×": (1, 2),
    "/s": (1, 1),
    "": (1, 0),
}
# The sides that the service is compared with.
_BESIDE = ("rembg", "floor")
_STARTED = time.monotonic()


class Target(NamedTuple):
    """What is wanted of a figure, and whether it is met."""

    what: str
    wanted: str
    measured: str
    met: bool


class Goal(NamedTuple):
    """The bound of a figure (see `figure`), in a unit, for the cases that a pattern matches."""

    what: str
    cases: str
    figure: str
    unit: str
    bound: str
    wanted: float


class Section(NamedTuple):
    """What is measured, and how it is shown: columns of title, figure and unit."""

    title: str
    text: str
    columns: Sequence[tuple[str, str, str]]
    goals: Sequence[Goal] = ()

    def report(self, samples: Samples) -> str:
        """Write the title, the text, and a table with a row for each case and side."""
        rows = [(case, side, sides) for case, sides in samples.items() for side in sides]
        columns = [("", [_labeled(case, side) for case, side, _ in rows])]
        for title, name, unit in self.columns:
            cells = [cell(sides, side, name, unit) for _, side, sides in rows]
            if any(cells):
                columns.append((title, cells))
        header = " | ".join(title for title, _ in columns)
        lines = zip(*(cells for _, cells in columns), strict=True)
        return document(f"## {self.title}", self.text, table(header, lines)).rstrip()

    def targets(self, samples: Samples) -> list[Target]:
        """Judge the worst case of each goal, for each side of the service."""
        found = []
        for what, cases, name, unit, bound, wanted in self.goals:
            matching = [sides for case, sides in samples.items() if re.fullmatch(cases, case)]
            for own in own_sides(dict.fromkeys(side for sides in matching for side in sides)):
                measured = [sides for sides in matching if cell(sides, own, name, unit)]
                values = [figure(sides, own, name) for sides in measured]
                if not values:
                    continue
                worst = min(values) if bound == "≥" else max(values)
                found.append(judge(_labeled(what, own), worst, bound, wanted, unit))
        return found


def _labeled(what: str, side: str) -> str:
    return what if side == "default" else f"{what}, {side}"


def record(samples: Samples, case: str, side: str, **values: float | Sequence[Any]) -> None:
    """Add samples by name."""
    for name, value in values.items():
        known = samples.setdefault(case, {}).setdefault(side, {}).setdefault(name, [])
        known.extend(value if isinstance(value, Sequence) else [value])


def judge(what: str, value: float, bound: str, wanted: float, unit: str = "") -> Target:
    """Judge a value by its bound, ≥ or ≤."""
    met = value >= wanted if bound == "≥" else value <= wanted
    scale, digits = _UNITS[unit]
    shown, limit = (f"{one * scale:.{digits}f} {unit}".strip() for one in (value, wanted))
    return Target(what, f"{bound} {limit}", shown, met)


def own_sides(sides: Iterable[str]) -> list[str]:
    """Return the sides of the service."""
    return [side for side in sides if side not in _BESIDE]


def figure(sides: Sides, own: str, name: str) -> float:
    """Return a figure: the median of samples, or the ratio of two medians, such as "a / rembg.b".

    A name without a side is one of `own`; "name@95" is the 95th percentile.
    """
    medians = [median(_series(sides, own, part)) for part in name.split(" / ")]
    return medians[0] if len(medians) == 1 else medians[0] / medians[1]


def _series(sides: Sides, own: str, name: str) -> list[float]:
    side, _, name = name.rpartition(".")
    name, _, rank = name.partition("@")
    samples = sides.get(side or own, {}).get(name, [])
    return [float(np.percentile(samples, int(rank)))] if rank and samples else samples


def cell(sides: Sides, own: str, name: str, unit: str, quartiles: bool = True) -> str:
    """Write a figure, with the quartiles of its samples; or the counts of samples.

    Ratios are those of the service only.
    """
    first, *second = (_series(sides, own, part) for part in name.split(" / "))
    if not first or not all(second) or (second and own in _BESIDE):
        return ""
    if unit == "count":
        counted = Counter(first).most_common()
        return ", ".join(f"{count} × `{sample}`" for sample, count in counted)
    scale, digits = _UNITS["×" if second else unit]
    middle = f"{figure(sides, own, name) * scale:,.{digits}f}"
    samples = [a / b for a, b in zip(first, *second, strict=True)] if second else first
    low, _, high = (f"{one * scale:,.{digits}f}" for one in np.percentile(samples, [25, 50, 75]))
    if not quartiles:
        return f"**{middle} ×**" if second else f"{middle} {unit}"
    shown = f"**{middle}**" if second else middle
    return shown if low == high else f"{shown} ({low}–{high})"


def table(header: str, rows: Iterable[Sequence[object]]) -> str:
    """Write a table in Markdown; the header's cells are separated by ` | `."""
    titles = header.split(" | ")
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def target_table(targets: Iterable[Target]) -> str:
    """Write targets as a table."""
    rows = [(*target[:3], "met" if target.met else "**missed**") for target in targets]
    return table("what | wanted | measured | ", rows)


def document(*parts: str) -> str:
    """Join the headings, paragraphs, tables and sections of a page."""
    return "\n\n".join(parts) + "\n"


def described() -> Figures:
    """Return the date, and the machine by nothing that identifies it or its user."""
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.+)", cpu, re.MULTILINE)
    processor = model[1] if model else platform.machine()
    machine = {
        "processor": f"{processor} {'with' if 'avx512f' in cpu else 'without'} AVX-512",
        "cores": len(os.sched_getaffinity(0)),
        "busy_percent": psutil.cpu_percent(interval=2),
        "memory": psutil.virtual_memory().total,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }
    return {"date": datetime.now(UTC).date().isoformat(), "machine": machine}


def about(machine: Figures) -> str:
    """Write the description of a machine."""
    return (
        f"{machine['processor']}, {machine['cores']} cores ({machine['busy_percent']:.0f} % busy "
        f"before the run), {machine['memory'] / MB:,.0f} MB, {machine['kernel']}, "
        f"Python {machine['python']}"
    )


def versions(names: Iterable[str], site_packages: str | None = None) -> dict[str, str]:
    """Return the installed versions of packages, here or in another environment."""
    path = sys.path if site_packages is None else [site_packages]
    installed = {package.name.lower(): package.version for package in distributions(path=path)}
    return {name: installed[name] for name in names}


def write(folder: Path, name: str, results: Figures, page: str) -> None:
    """Write every sample as JSON, each list on one line, and the page in Markdown."""
    text = json.dumps(results, indent=1)
    text = re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(text + "\n")
    (folder / f"{name}.md").write_text(page)
    say(f"written: {folder.name}/{name}.md")


def say(sentence: str) -> None:
    """Tell the progress on standard error, with the seconds since the start."""
    print(f"[{time.monotonic() - _STARTED:5.0f} s] {sentence}", file=sys.stderr, flush=True)
