"""The targets, tables and plot of a soak."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from bench.report import (
    MB,
    Figures,
    Target,
    about,
    counts,
    judge,
    megabytes,
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
_COLORS = {
    "peak": "#c2571a",
    "at rest": "#1f5fa8",
    "p99": "#c2571a",
    "p95": "#8a8a8a",
    "p50": "#1f5fa8",
}


def targets(results: Figures) -> list[Target]:
    """Return what is wanted of the whole soak."""
    wrong = [outcome["code"] for outcome in results["wrong"]]
    internal, lost = wrong.count("internal_error"), wrong.count(LOST) + wrong.count(BROKEN_OFF)
    found = [
        judge("500 responses, and errors in the log", internal + len(results["errors"]), "≤", 0),
        judge("lost responses", lost, "≤", 0),
        judge("wrong responses of any other kind", len(wrong) - lost - internal, "≤", 0),
    ]
    rests = results["memory"]["rests"]
    if results["minutes"] > _SETTLED_AFTER:
        grown = rests[-1] - rests[_SETTLED_AFTER]
        what = f"growth after the first {_SETTLED_AFTER} minutes"
        found.append(judge(what, grown, "≤", _GROWTH, "MB"))
    return found


def report(results: Figures) -> str:
    """Write the soak in Markdown."""
    requests = sum(sum(codes.values()) for codes in results["codes"].values())
    parts = [
        f"# A soak of {results['minutes']} minutes, {results['date']}",
        f"{about(results['machine'])}. Seed {results['seed']}; {requests:,} requests by eight "
        "clients without a pause, with bursts over the limit, and by one that keeps its "
        f"connection; images: {results['images']}. The clients, the faulty sources and the service "
        "share the machine. Memory is the PSS of the whole process tree; 1 MB is 1,000,000 bytes.",
        target_table(targets(results)),
        "## By minute",
        "At rest: after all responses, an image of 24 megapixels, before which the service frees "
        "what it keeps, and a small one. Latencies are those of good images of all sizes.",
        "![Memory and latency by minute](soak.png)",
        table("minute | at rest, MB | peak, MB | p50, s | p95, s | p99, s", _minutes(results)),
        "## By kind",
        "Latency of all responses but `busy`; for faulty sources, the time they take to fail. "
        "`left`: the client did. `broken_off`: a slow reader was disconnected while others needed "
        "the memory.",
        table("request | p50, s | p95, s | p99, s | responses by code", _kinds(results)),
    ]
    if results["wrong"]:
        rows = [
            (one["minute"], one["kind"], f"`{one['what']}`", one["code"], ", ".join(one["right"]))
            for one in results["wrong"][:_SHOWN]
        ]
        wrong = table("minute | kind | request | code | right", rows)
        parts += ["## Wrong", f"The first {_SHOWN} at most.", wrong]
    return "\n\n".join(parts) + "\n"


def _minutes(results: Figures) -> list[tuple[str, ...]]:
    rests, peaks = (map(megabytes, results["memory"][name]) for name in ("rests", "peaks"))
    latencies = map(_seconds, results["good_by_minute"])
    start = ("start", next(rests), "", "", "", "")
    minutes = enumerate(zip(rests, peaks, latencies, strict=True), start=1)
    return [start, *((str(minute), *row[:2], *row[2]) for minute, row in minutes)]


def _kinds(results: Figures) -> list[tuple[str, ...]]:
    def order(kind: str) -> tuple[bool, str, float]:
        size, _, rest = kind.partition(" ")
        return " MP " not in kind, rest, float(size) if size[0].isdigit() else 0.0

    return [
        (kind, *_seconds(results["latency"][kind]), counts(results["codes"][kind]))
        for kind in sorted(results["codes"], key=order)
    ]


def _seconds(percentiles: Mapping[str, float]) -> tuple[str, ...]:
    ranks = ("p50", "p95", "p99")
    return tuple(f"{percentiles[rank]:.2f}" if rank in percentiles else "" for rank in ranks)


def plot(results: Figures, file: Path) -> None:
    """Draw memory and latency by minute."""
    memory, minutes = results["memory"], range(1, results["minutes"] + 1)
    latencies = {
        rank: [one.get(rank) for one in results["good_by_minute"]] for rank in ("p99", "p95", "p50")
    }
    with two_panels(file) as (left, right):
        for axes, name, values in (
            (left, "at rest", [rest / MB for rest in memory["rests"]]),
            (left, "peak", [peak / MB for peak in memory["peaks"]]),
            *((right, rank, values) for rank, values in latencies.items()),
        ):
            places = (0, *minutes) if name == "at rest" else minutes
            axes.plot(places, values, "o-", color=_COLORS[name], markersize=4, label=name)
        left.axhline(_LIMIT, color="#444444", linestyle="--", linewidth=1)
        left.annotate(f"{_LIMIT} MB", (0, _LIMIT), xytext=(0, 4), textcoords="offset points")
        left.set_title("Memory of the process tree, MB")
        right.set_title("Latency of good images amid all the rest, s")
        for axes, top in ((left, 1.15 * _LIMIT), (right, None)):
            axes.set_xlabel("minute")
            axes.set_ylim(0, top)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
