"""`python -m bench.scale`: what each core serves, alone and beside another, behind nginx; writes bench/results/scale.md."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.machine import machine
from bench.markdown import table
from bench.memory import tree_pss
from bench.progress import say
from tests.support.load import CLIENTS, Seen, closed_loop
from tests.support.proxy import behind_nginx
from tests.support.serving import Server, serve

_SECONDS = 20.0


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[Server]:
    """An instance whose processes have these cores alone, and so as many threads an inference."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # what it starts inherits it
    try:
        with serve() as server:
            os.sched_setaffinity(0, mine)
            yield server
    finally:
        os.sched_setaffinity(0, mine)


def pictures_a_second(port: int) -> float:
    """With as many callers as keep a service busy, each with its next picture as soon as its last is answered."""
    seen = Seen()
    asyncio.run(closed_loop(port, 2, Seen()))
    start = time.monotonic()
    asyncio.run(closed_loop(port, _SECONDS, seen))
    assert seen.codes.keys() == {"200"}, seen.codes
    return seen.rate(start, start + _SECONDS)


def main() -> None:
    """Measure three arrangements of two cores."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("bench.scale: needs nginx: apt install nginx-light")
    first, second, *_ = sorted(os.sched_getaffinity(0))
    rows = []
    with contextlib.ExitStack() as stack:
        one, other = stack.enter_context(pinned({first})), stack.enter_context(pinned({second}))
        with (
            tempfile.TemporaryDirectory() as folder,
            behind_nginx(program, [one, other], Path(folder)) as proxy,
        ):
            for core, server in (("one", one), ("the other", other)):
                rows.append(
                    (
                        f"an instance on {core} core",
                        pictures_a_second(server.port),
                        tree_pss(server.process.pid),
                    )
                )
            both = pictures_a_second(proxy.port)
            rows.append(
                (
                    "both, behind nginx",
                    both,
                    tree_pss(one.process.pid) + tree_pss(other.process.pid),
                )
            )
    with pinned({first, second}) as wide:
        rows.append(
            ("one instance on two cores", pictures_a_second(wide.port), tree_pss(wide.process.pid))
        )
    for name, rate, memory in rows:
        say(f"scale: {name}: {rate:.1f} pictures a second, {memory / 1e6:.0f} MB")
    alone = rows[0][1] + rows[1][1]
    described = machine()
    text = [
        "# Scale-out: `make scale`",
        f"{described['processor']}, two cores, Python {described['python']}. {CLIENTS} callers, the 0.26-megapixel sample, "
        f"{_SECONDS:.0f} s each; the callers and nginx run on the same two cores.",
        table(
            ("what", "pictures a second", "MB"),
            [(name, f"{rate:.1f}", f"{memory / 1e6:.0f}") for name, rate, memory in rows],
        ),
        f"Two instances of a core each keep **{both / alone:.0%}** of what the two serve one at a time, and serve "
        f"**{both / rows[-1][1]:.2f}** times what one instance on both cores does.",
    ]
    (Path(__file__).parent / "results" / "scale.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
