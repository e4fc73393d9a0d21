"""`python -m bench.soak [--minutes N] [--seed N] [--folder PATH]`."""

import argparse
import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import machine
from bench.progress import say
from bench.soak.drive import soak
from bench.soak.judge import targets
from bench.soak.plot import write_plot
from bench.soak.report import report

_RESULTS = Path(__file__).parent.parent / "results"


def main() -> None:
    """Soak the service, write what came of it, and exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description="Good and bad traffic for a while."
    )
    parser.add_argument("--minutes", type=int, default=10, help="minutes of traffic (default 10)")
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed, other requests (default 0)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=_RESULTS,
        help="where soak.md, soak.png and soak.json go (default bench/results)",
    )
    options = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("soak: stopped")
    )  # so that the service is stopped too
    measured_on = machine()
    results = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": measured_on,
        **asyncio.run(soak(options.minutes, options.seed)),
    }
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "soak.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.folder / "soak.md").write_text(report(results))
    write_plot(results, options.folder / "soak.png")
    failures = [target for target in targets(results) if not target.reached]
    for target in failures:
        say(f"{target.what}: {target.measured}, wanted {target.wanted}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
