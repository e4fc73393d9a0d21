"""`python -m bench.scale`: what each core serves, alone and beside another, behind nginx.

Writes bench/results/scale.md.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.report import MB, RESULTS, about, described, document, say, table
from tests.support.load import CLIENTS, Seen, closed_loop
from tests.support.process_memory import tree_pss
from tests.support.proxy import behind_nginx
from tests.support.serving import Server, launch, wait_until_ready

_SECONDS = 20.0
# On a slow core, the last of the clients waits for long.
_SETTINGS = {"BGR_DEADLINE": "120"}


@contextmanager
def _pinned(*cores: int) -> Iterator[Server]:
    """Serve on these cores only."""
    prefix = ["taskset", "--cpu-list", ",".join(map(str, cores))]
    with launch(prefix=prefix, settings=_SETTINGS) as server:
        wait_until_ready(server)
        yield server


def _rate(what: str, server: Server, *instances: Server) -> tuple[str, float, int]:
    """Return images per second, with enough clients to keep the service busy, and its memory."""
    asyncio.run(closed_loop(server.port, 2, Seen()))
    start, seen = time.monotonic(), Seen()
    asyncio.run(closed_loop(server.port, _SECONDS, seen))
    assert seen.codes.keys() == {"200"}, seen.codes
    memory = sum(tree_pss(instance.process.pid) for instance in instances or (server,))
    rate = seen.rate(start, start + _SECONDS)
    say(f"scale: {what}: {rate:.1f} images per second, {memory / MB:.0f} MB")
    return what, rate, memory


def main() -> None:
    """Measure three arrangements of two cores."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("bench.scale: needs nginx: apt install nginx-light")
    machine = described()["machine"]
    first, second, *_ = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        one, other = (stack.enter_context(_pinned(core)) for core in (first, second))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxy = stack.enter_context(behind_nginx(program, [one, other], folder))
        rows = [
            _rate("an instance on one core", one),
            _rate("an instance on the other core", other),
            _rate("both, behind nginx", proxy, one, other),
        ]
    with _pinned(first, second) as wide:
        rows.append(_rate("one instance on two cores", wide))
    rates = [rate for _, rate, _ in rows]
    page = document(
        "# Scale-out: `make scale`",
        f"{about(machine)}. {CLIENTS} clients, the 0.26-megapixel sample, {_SECONDS:.0f} s each; "
        "the clients and nginx run on the same two cores.",
        table(
            "what | images per second | MB",
            [(what, f"{rate:.1f}", f"{memory / MB:.0f}") for what, rate, memory in rows],
        ),
        f"Two instances of one core each keep **{rates[2] / (rates[0] + rates[1]):.0%}** of what "
        "the two serve one at a time, and serve "
        f"**{rates[2] / rates[3]:.2f}** times what one instance on both cores does.",
    )
    (RESULTS / "scale.md").write_text(page)


if __name__ == "__main__":
    main()
