"""The targets, tables and plot of a soak."""

import math
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from bench.report import (
    MB,
    Figures,
    Section,
    Sides,
    Target,
    about,
    judge,
    table,
    target_table,
    two_panels,
)
from bench.soak.traffic import BROKEN_OFF, LOST

# The first minutes fill what is kept for the next request: glibc's free lists, the arena, every
# decoder's tables.
_SETTLED_AFTER = 2
_GROWTH = 15 * MB
_LIMIT = 512  # megabytes that the service must live in
_SHOWN = 20

_RANKS = [(f"{rank}, s", rank, "s") for rank in ("p50", "p95", "p99")]
_BY_MINUTE = Section(
    "By minute",
    "At rest: after all responses, an image of 24 megapixels, before which the service frees what "
    "it keeps, and a small one. Latencies are those of good images of all sizes.\n\n"
    "![Memory and latency by minute](soak.png)",
    [("at rest, MB", "rest", "MB"), ("peak, MB", "peak", "MB"), *_RANKS],
    [],
)
_BY_KIND = Section(
    "By kind",
    "Latency of all responses but `busy`; for faulty sources, the time they take to fail. `left`: "
    "the client did. `broken_off`: a slow reader was disconnected while others needed the memory.",
    [*_RANKS, ("responses by code", "code", "count")],
    [],
)


def targets(results: Figures) -> list[Target]:
    """Return what is wanted of the whole soak."""
    wrong = [outcome["code"] for outcome in results["wrong"]]
    internal, lost = wrong.count("internal_error"), wrong.count(LOST) + wrong.count(BROKEN_OFF)
    found = [
        judge("500 responses, and errors in the log", internal + len(results["errors"]), "≤", 0),
        judge("lost responses", lost, "≤", 0),
        judge("wrong responses of any other kind", len(wrong) - lost - internal, "≤", 0),
    ]
    rests = [sides["default"]["rest"][0] for sides in results["by_minute"].values()]
    if results["minutes"] > _SETTLED_AFTER:
        what = f"growth after the first {_SETTLED_AFTER} minutes"
        found.append(judge(what, rests[-1] - rests[_SETTLED_AFTER], "≤", _GROWTH, "MB"))
    return found


def report(results: Figures) -> str:
    """Write the soak in Markdown."""
    requests = sum(len(sides["default"]["code"]) for sides in results["by_kind"].values())
    parts = [
        f"# A soak of {results['minutes']} minutes, {results['date']}",
        f"{about(results['machine'])}. Seed {results['seed']}; {requests:,} requests by eight "
        "clients without a pause, with bursts over the limit, and by one that keeps its "
        f"connection; images: {results['images']}. The clients, the faulty sources and the service "
        "share the machine. Memory is the PSS of the whole process tree; 1 MB is 1,000,000 bytes.",
        target_table(targets(results)),
        _BY_MINUTE.report(results["by_minute"]),
        _BY_KIND.report(dict(sorted(results["by_kind"].items(), key=_order))),
    ]
    if results["wrong"]:
        rows = [
            (one["minute"], one["kind"], f"`{one['what']}`", one["code"], ", ".join(one["right"]))
            for one in results["wrong"][:_SHOWN]
        ]
        wrong = table("minute | kind | request | code | right", rows)
        parts += ["## Wrong", f"The first {_SHOWN} at most.", wrong]
    return "\n\n".join(parts) + "\n"


def _order(item: tuple[str, Sides]) -> tuple[float, str]:
    size = item[0].partition(" ")[0]
    return float(size) if size[0].isdigit() else math.inf, item[0]


def plot(results: Figures, file: Path) -> None:
    """Draw memory and latency by minute."""
    with two_panels(file) as panels:
        panels[0].axhline(_LIMIT, color="#444444", linestyle="--", linewidth=1, label="512 MB")
        for axes, title, names, colors, scale in (
            (panels[0], "Memory, MB", ("peak", "rest"), ("#c2571a", "#1f5fa8"), MB),
            (
                panels[1],
                "Latency of good images, s",
                ("p99", "p95", "p50"),
                ("#c2571a", "#8a8a8a", "#1f5fa8"),
                1,
            ),
        ):
            for name, color in zip(names, colors, strict=True):
                points = [
                    (int(minute), sides["default"][name][0] / scale)
                    for minute, sides in results["by_minute"].items()
                    if sides["default"].get(name)
                ]
                axes.plot(*zip(*points, strict=True), "o-", color=color, markersize=4, label=name)
            axes.set(title=title, xlabel="minute")
            axes.set_ylim(0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
