"""`python -m bench [--quick] [--only SECTION ...]`: measure the service beside rembg's server.

Writes bench/results/, or bench/trial/ with an option.
"""

import argparse
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median

from bench.images import size_of
from bench.report import (
    RESULTS,
    Figures,
    about,
    machine,
    megabytes,
    ratio,
    say,
    table,
    target_table,
    two_panels,
    versions,
    write_json,
)
from bench.sections import (
    Section,
    growth,
    installed,
    latency,
    limit,
    load,
    memory,
    start,
    urls,
    variants,
)
from bench.servers import rembg_packages, set_up

SECTIONS: dict[str, Section] = {
    "start": start,
    "installed": installed,
    "latency": latency,
    "memory": memory,
    "load": load,
    "urls": urls,
    "growth": growth,
    "limit": limit,
}

_SERVICE = ("bentoml", "isal", "numpy", "onnxruntime", "pillow", "scipy")
_REMBG = ("numpy", "onnxruntime", "pillow", "rembg", "scipy", "uvicorn")


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
    folder = RESULTS.with_name("trial") if options.quick or options.only else RESULTS
    with set_up(options.quick) as stage:
        results = {
            "date": datetime.now(UTC).date().isoformat(),
            "quick": options.quick,
            "machine": machine(),
            "versions": {
                "service": versions(_SERVICE),
                "rembg": versions(_REMBG, rembg_packages()),
            },
            "images": {
                "made_from": stage.images.made_from,
                "files": {
                    name: {"size": size_of(image), "bytes": len(image)}
                    for name, image in stage.images.named.items()
                },
            },
        }
        for name in options.only or SECTIONS:
            results[name] = SECTIONS[name].measure(stage)
            write_json(folder / "results.json", results)
    (folder / "results.md").write_text(report(results))
    if {"latency", "load"} <= results.keys():
        with two_panels(folder / "latency.png") as (left, right):
            latency.plot(left, results["latency"])
            load.plot(right, results["load"])
    if not options.only:
        (folder / "summary.md").write_text(summary(results) + "\n")
    say(f"written: bench/{folder.name}/")


def report(results: Figures) -> str:
    """Write the sections that were measured."""
    measured = {name: section for name, section in SECTIONS.items() if name in results}
    found = [one for name, section in measured.items() for one in section.targets(results[name])]
    listed = {
        side: ", ".join(f"{name} {version}" for name, version in packages.items())
        for side, packages in results["versions"].items()
    }
    quick = " A quick run: too few samples to quote." if results["quick"] else ""
    heading = (
        f"# The service beside rembg's server, {results['date']}\n\n"
        f"{about(results['machine'])}.{quick}\n\n"
        f"Service: {listed['service']}. rembg: {listed['rembg']}. Both serve u2netp over loopback "
        "and get the same JPEG images (quality 90, 4:2:0; "
        f"{results['images']['made_from']}), in alternation in one run. Times are medians, with "
        "the quartiles in brackets; ratios are those of the medians, with the quartiles of the "
        "paired samples. Memory is the PSS of the whole process tree; 1 MB is 1,000,000 bytes."
    )
    parts = [heading, f"## Targets\n\n{target_table(found)}"]
    parts += [section.report(results[name]) for name, section in measured.items()]
    return "\n\n".join(parts) + "\n"


def summary(results: Figures) -> str:
    """Write the README's table, of a whole run."""
    shown = variants(next(iter(results["latency"].values())))
    rows = []

    def add(what: str, samples: Mapping[str, list[float]], texts: Mapping[str, str]) -> None:
        row = [what, texts["rembg"]]
        for name in shown:
            row += [texts[name], f"**{ratio(samples['rembg'], samples[name]):.1f} ×**"]
        rows.append(row)

    for size, figures in results["latency"].items():
        samples = {side: figures[side]["upload"] for side in ("rembg", *shown)}
        texts = {side: f"{1e3 * median(one):,.0f} ms" for side, one in samples.items()}
        add(f"one image of {size} megapixels", samples, texts)
    for name, sides in results["load"]["loads"].items():
        for burst, words in (("first", ": time, peak memory"), ("again", ", once more")):
            samples = {side: load.seconds(figures[burst]) for side, figures in sides.items()}
            texts = {side: f"{median(one):.1f} s" for side, one in samples.items()}
            if burst == "first":
                for side, figures in sides.items():
                    texts[side] += f", {megabytes(figures['peak'])} MB"
            add(f"{name} megapixels at once{words}", samples, texts)
    for kind in ("cold", "warm"):
        samples = {
            side: start.seconds(results["start"], side, kind, "first_response")
            for side in ("rembg", "service")
        }
        samples |= dict.fromkeys(shown, samples["service"])
        texts = {side: f"{median(one):.1f} s" for side, one in samples.items()}
        add(f"{kind} start, to the first response", samples, texts)
    columns = [f"this service, {name} | times as fast" for name in shown]
    return table(" | ".join((" | `rembg s`", *columns)), rows)


if __name__ == "__main__":
    main()
