"""`python -m bench [--quick] [--only SECTION ...]`: measure the service beside rembg's server.

Writes a folder of bench/results/ for the processor, or bench/trial/ with either option.
`--again SECTION` replaces a section of the folder, such as one that other work disturbed.
"""

import argparse
import json
import re
from collections.abc import Callable

from bench import batch, many, single
from bench import report as out
from bench.images import MADE_FROM
from bench.plots import plot_bench
from bench.report import Figures, Samples, Section
from bench.servers import Stage, rembg_packages, set_up

SECTIONS: dict[str, tuple[Section, Callable[[Stage, Samples], None]]] = {
    "start": (single.START, single.measure_start),
    "installed": (single.INSTALLED, single.measure_installed),
    "latency": (single.LATENCY, single.measure_latency),
    "memory": (single.MEMORY, single.measure_memory),
    "load": (many.LOAD, many.measure_load),
    "urls": (many.URLS, many.measure_urls),
    "growth": (many.GROWTH, many.measure_growth),
    "limit": (many.LIMIT, many.measure_limit),
    "batch": (batch.FOLDER, batch.measure_folder),
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
    parser.add_argument(
        "--again", action="append", choices=SECTIONS, help="a section of the last whole run"
    )
    options = parser.parse_args()
    with set_up(options.quick) as stage:
        results = _described(stage)
        folder = out.RESULTS / _folder_name(results["machine"]["processor"])
        if options.quick or options.only:
            folder = out.RESULTS.with_name("trial")
        elif options.again:
            kept = json.loads((folder / "results.json").read_text())
            again = kept.get("again", {}) | dict.fromkeys(options.again, results["date"])
            results = kept | {"versions": results["versions"], "again": again}
        samples = results["samples"]
        for name in options.again or options.only or SECTIONS:
            _, measure = SECTIONS[name]
            samples[name] = {}
            measure(stage, samples[name])
            out.write(folder, "results", results, report(results))
    if {"latency", "load"} <= samples.keys():
        plot_bench(samples["latency"], samples["load"], folder / "latency.png")
    if not options.only:
        (folder / "summary.md").write_text(summary(results) + "\n")


def _described(stage: Stage) -> Figures:
    """Return what is known before anything is measured."""
    return out.described() | {
        "quick": stage.quick,
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


def _folder_name(processor: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", processor.lower()))


def report(results: Figures) -> str:
    """Write the sections that were measured."""
    measured = [(SECTIONS[name][0], of) for name, of in results["samples"].items()]
    targets = [target for section, samples in measured for target in section.targets(samples)]
    listed = {
        side: ", ".join(f"{name} {version}" for name, version in packages.items())
        for side, packages in results["versions"].items()
    }
    quick = " A quick run: too few samples to quote." if results["quick"] else ""
    again = "".join(
        f" “{SECTIONS[name][0].title}” was measured again on {date}."
        for name, date in results.get("again", {}).items()
    )
    return out.document(
        f"# The service beside rembg's server, {results['date']}",
        f"{out.about(results['machine'])}.{quick}{again}",
        f"Service: {listed['service']}. rembg: {listed['rembg']}. Both serve u2netp over loopback "
        "and get the same JPEG images (quality 90, 4:2:0; "
        f"{results['images']['made_from']}), in alternation in one run. Figures are medians, with "
        "the quartiles in brackets; ratios are those of the medians, with the quartiles of the "
        f"paired samples. {out.MEMORY}",
        f"## Targets\n\n{out.target_table(targets)}",
        *(section.report(samples) for section, samples in measured),
    )


def summary(results: Figures) -> str:
    """Write the README's table, of a whole run: the service with its default options."""
    shown = out.own_sides(next(iter(results["samples"]["latency"].values())))[:1]
    rows = []
    for section, what, figure, unit in _SUMMARY:
        for case, sides in results["samples"][section].items():
            if figure not in sides.get("rembg", {}):
                continue
            looks = sides.get(shown[0], {}).get("looks", [1])[0]
            named = what.format(case) + (", two looks" if looks == 2 else "")
            row = [named, out.cell(sides, "rembg", figure, unit, quartiles=False)]
            for side in shown:
                own = side if side in sides else "default"  # a start does not depend on options
                row += [
                    out.cell(sides, own, name, unit, quartiles=False)
                    for name in (figure, f"rembg.{figure} / {figure}")
                ]
            rows.append(row)
    columns = [f"this service, {side} | ratio" for side in shown]
    return out.table(" | ".join((" | `rembg s`", *columns)), rows)


if __name__ == "__main__":
    main()
