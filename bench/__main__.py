"""`python -m bench [--quick] [--only SECTION ...]`: measure the service beside rembg's server.

Writes bench/results/, or bench/trial/ with an option.
"""

import argparse
import signal
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from bench import report as out
from bench.images import MADE_FROM
from bench.servers import rembg_packages, set_up

SECTIONS = {
    name: import_module(f"bench.sections.{name}")
    for name in ("start", "installed", "latency", "memory", "load", "urls", "growth", "limit")
}

_SERVICE = ("bentoml", "isal", "numpy", "onnxruntime", "pillow")
_REMBG = ("numpy", "onnxruntime", "pillow", "rembg", "scipy", "uvicorn")

# The rows of the README's table: the section, what a row says of a case, the figure and its unit.
_SUMMARY = (
    ("latency", "one image of {} megapixels", "seconds", "ms"),
    ("load", "at once: {}", "seconds", "s"),
    ("load", "peak memory, at once: {}", "peak", "MB"),
    ("start", "{} start, to the first response", "seconds", "s"),
)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the service beside rembg's server."
    )
    parser.add_argument(
        "--only", action="append", choices=SECTIONS, help="a section; may be given several times"
    )
    parser.add_argument(
        "--quick", action="store_true", help="repeat little, to try the bench itself"
    )
    options = parser.parse_args()
    # Leave by an exception, so that the servers are stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))
    folder = out.RESULTS.with_name("trial") if options.quick or options.only else out.RESULTS
    with set_up(options.quick) as stage:
        results = {
            "date": datetime.now(UTC).date().isoformat(),
            "quick": options.quick,
            "machine": out.machine(),
            "versions": {
                "service": out.versions(_SERVICE),
                "rembg": out.versions(_REMBG, rembg_packages()),
            },
            "images": {
                "made_from": MADE_FROM,
                "bytes": {name: len(image) for name, image in stage.images.items()},
            },
            "samples": {},
        }
        for name in options.only or SECTIONS:
            SECTIONS[name].measure(stage, results["samples"].setdefault(name, {}))
            out.write_json(folder / "results.json", results)
    (folder / "results.md").write_text(report(results))
    plot(results, folder / "latency.png")
    if not options.only:
        (folder / "summary.md").write_text(summary(results) + "\n")
    out.say(f"written: bench/{folder.name}/")


def report(results: out.Figures) -> str:
    """Write the sections that were measured."""
    measured = [(SECTIONS[name].SECTION, of) for name, of in results["samples"].items()]
    targets = [target for section, samples in measured for target in section.targets(samples)]
    listed = {
        side: ", ".join(f"{name} {version}" for name, version in packages.items())
        for side, packages in results["versions"].items()
    }
    quick = " A quick run: too few samples to quote." if results["quick"] else ""
    parts = [
        f"# The service beside rembg's server, {results['date']}",
        f"{out.about(results['machine'])}.{quick}",
        f"Service: {listed['service']}. rembg: {listed['rembg']}. Both serve u2netp over loopback "
        "and get the same JPEG images (quality 90, 4:2:0; "
        f"{results['images']['made_from']}), in alternation in one run. Figures are medians, with "
        "the quartiles in brackets; ratios are those of the medians, with the quartiles of the "
        "paired samples. Memory is the PSS of the whole process tree; 1 MB is 1,000,000 bytes.",
        f"## Targets\n\n{out.target_table(targets)}",
        *(section.report(samples) for section, samples in measured),
    ]
    return "\n\n".join(parts) + "\n"


def summary(results: out.Figures) -> str:
    """Write the README's table, of a whole run."""
    shown = out.own_sides(next(iter(results["samples"]["latency"].values())))
    rows = []
    for section, what, figure, unit in _SUMMARY:
        for case, sides in results["samples"][section].items():
            if figure not in sides.get("rembg", {}):
                continue
            row = [what.format(case), out.cell(sides, "rembg", figure, unit, quartiles=False)]
            for side in shown:
                own = side if side in sides else "default"  # a start does not depend on options
                row += [
                    out.cell(sides, own, name, unit, quartiles=False)
                    for name in (figure, f"rembg.{figure} / {figure}")
                ]
            rows.append(row)
    columns = [f"this service, {side} | ratio" for side in shown]
    return out.table(" | ".join((" | `rembg s`", *columns)), rows)


def plot(results: out.Figures, file: Path) -> None:
    """Draw latency and peak memory, if both were measured."""
    samples = results["samples"]
    if {"latency", "load"} <= samples.keys():
        with out.two_panels(file) as (left, right):
            SECTIONS["latency"].plot(left, samples["latency"])
            SECTIONS["load"].plot(right, samples["load"])


if __name__ == "__main__":
    main()
