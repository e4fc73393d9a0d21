"""`python -m bench [--quick] [--only SECTION ...]`: measure, and write bench/results/ (or bench/trial/ for less than all)."""

import argparse
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import machine, versions
from bench.pictures import size_of
from bench.plot import write_plot
from bench.progress import say
from bench.report import report, summary
from bench.sections import footprint, growth, installed, latency, limit, load, start, urls
from bench.stage import Section, Stage, set_up

_HERE = Path(__file__).parent

SECTIONS: dict[str, Section] = {
    "start": start.measure,
    "installed": installed.measure,
    "latency": latency.measure,
    "memory": footprint.measure,
    "load": load.measure,
    "urls": urls.measure,
    "growth": growth.measure,
    "limit": limit.measure,
}


def main() -> None:
    """Measure what the command line asks for; all of it, without options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the service beside its peer, rembg's server."
    )
    parser.add_argument(
        "--only", action="append", choices=SECTIONS, help="a section; may be given several times"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few repetitions: to try the bench itself"
    )
    options = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("bench: stopped")
    )  # so that the servers are stopped too
    folder = _HERE / ("trial" if options.quick or options.only else "results")
    folder.mkdir(exist_ok=True)
    with set_up(options.quick) as stage:
        results = {
            "date": datetime.now(UTC).date().isoformat(),
            "quick": options.quick,
            "machine": machine(),
            "versions": versions(),
            "pictures": _pictures(stage),
        }
        for name in options.only or SECTIONS:
            results[name] = SECTIONS[name](stage)
            (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(report(results))
    if {"latency", "load"} <= results.keys():
        write_plot(results, folder / "latency.png")
    if not options.only:
        (folder / "summary.md").write_text(summary(results) + "\n")  # the README shows it
    say(f"written: bench/{folder.name}/")


def _pictures(stage: Stage) -> dict[str, object]:
    files = {str(megapixels): picture for megapixels, picture in stage.pictures.plain.items()}
    files |= {
        f"{megapixels} {variant}": picture
        for (megapixels, variant), picture in stage.pictures.hard.items()
    }
    return {
        "made_from": stage.pictures.made_from,
        "files": {
            name: {"size": size_of(picture), "bytes": len(picture)}
            for name, picture in files.items()
        },
    }


if __name__ == "__main__":
    main()
