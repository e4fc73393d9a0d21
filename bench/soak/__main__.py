"""`python -m bench.soak`: good and bad traffic for a while; its targets and its page.

Writes soak.json, soak.md and soak.png, and exits with 1 if a target is missed.
"""

import argparse
import math
import sys
from pathlib import Path

from bench import report as out
from bench.plots import plot_soak
from bench.report import MB, RESULTS, Figures, Section, Sides, Target, described, judge
from bench.soak.clients import soak
from bench.soak.traffic import BROKEN_OFF, LOST

# The first minutes fill what is kept for the next request: glibc's free lists, the arena, every
# decoder's tables.
_SETTLED_AFTER = 2
_GROWTH = 15 * MB
_LIMIT = 512 * MB  # that the service must live in
_SHOWN = 20

_RANKS = [(f"{rank}, s", rank, "s") for rank in ("p50", "p95", "p99")]
_BY_MINUTE = Section(
    "By minute",
    "At rest: after all responses, an image of 24 megapixels, before which the service frees what "
    "it keeps, and a small one. Latencies are those of good images of all sizes.\n\n"
    "![Memory and latency by minute](soak.png)",
    [("at rest, MB", "rest", "MB"), ("peak, MB", "peak", "MB"), *_RANKS],
)
_BY_KIND = Section(
    "By kind",
    "Latency of all responses but `busy`; for faulty sources, the time they take to fail. `left`: "
    "the client did. `broken_off`: a slow reader was disconnected while others needed the memory.",
    [*_RANKS, ("responses by code", "code", "count")],
)


def main() -> None:
    """Soak the service, and write what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Soak the service.")
    parser.add_argument("--minutes", type=int, default=10, help="minutes of traffic (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the requests (default 0)")
    parser.add_argument(
        "--folder", type=Path, default=RESULTS, help="of the results (default bench/results)"
    )
    options = parser.parse_args()
    results = described() | soak(options.minutes, options.seed)
    out.write(options.folder, "soak", results, report(results))
    plot_soak(results["by_minute"], _LIMIT, options.folder / "soak.png")
    missed = [target for target in targets(results) if not target.met]
    for target in missed:
        out.say(f"{target.what}: {target.measured}, wanted {target.wanted}")
    sys.exit(bool(missed))


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
        f"{out.about(results['machine'])}. Seed {results['seed']}; {requests:,} requests by eight "
        "clients without a pause, with bursts over the limit, and by one that keeps its "
        f"connection; images: {results['images']}. The clients, the faulty sources and the service "
        f"share the machine. {out.MEMORY}",
        out.target_table(targets(results)),
        _BY_MINUTE.report(results["by_minute"]),
        _BY_KIND.report(dict(sorted(results["by_kind"].items(), key=_order))),
    ]
    if results["wrong"]:
        rows = [
            (one["minute"], one["kind"], f"`{one['what']}`", one["code"], ", ".join(one["right"]))
            for one in results["wrong"][:_SHOWN]
        ]
        wrong = out.table("minute | kind | request | code | right", rows)
        parts += ["## Wrong", f"The first {_SHOWN} at most.", wrong]
    return out.document(*parts)


def _order(item: tuple[str, Sides]) -> tuple[float, str]:
    size = item[0].partition(" ")[0]
    return float(size) if size[0].isdigit() else math.inf, item[0]


if __name__ == "__main__":
    main()
