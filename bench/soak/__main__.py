"""`python -m bench.soak [--minutes N] [--seed N] [--folder PATH]`: soak the service.

Writes soak.json, soak.md and soak.png, and exits with 1 if a target is missed.
"""

import argparse
import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.report import RESULTS, machine, say, write_json
from bench.soak.clients import soak
from bench.soak.report import plot, report, targets


def main() -> None:
    """Soak the service, and write what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description="Good and bad traffic for a while."
    )
    parser.add_argument("--minutes", type=int, default=10, help="minutes of traffic (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the requests (default 0)")
    parser.add_argument(
        "--folder", type=Path, default=RESULTS, help="of the results (default bench/results)"
    )
    options = parser.parse_args()
    # Leave by an exception, so that the service is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("soak: stopped"))
    results = {"date": datetime.now(UTC).date().isoformat(), "machine": machine()}
    results |= asyncio.run(soak(options.minutes, options.seed))
    write_json(options.folder / "soak.json", results)
    (options.folder / "soak.md").write_text(report(results))
    plot(results, options.folder / "soak.png")
    missed = [target for target in targets(results) if not target.met]
    for target in missed:
        say(f"{target.what}: {target.measured}, wanted {target.wanted}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
