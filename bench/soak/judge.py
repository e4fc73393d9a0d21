"""What a soak must show, and whether it did."""

from collections.abc import Iterator

from bench.soak.traffic import BROKEN_OFF, LOST
from bench.stage import Figures
from bench.targets import MB, Target

# The first minutes fill what is kept for the next request: glibc's free lists, the arena, every decoder's tables.
_SETTLED_AFTER = 2
_GROWTH = 15 * MB


def targets(results: Figures) -> Iterator[Target]:
    """What was wanted of the whole run."""
    wrong = [answer["code"] for answer in results["wrong"]]
    lost = sum(code in (LOST, BROKEN_OFF) for code in wrong)
    yield _none(
        "answers of 500, and errors in the log",
        wrong.count("internal_error") + len(results["errors"]),
    )
    yield _none("lost answers", lost)
    yield _none(
        "wrong answers of any other kind", len(wrong) - lost - wrong.count("internal_error")
    )
    rests = results["memory"]["rests"]
    if results["minutes"] > _SETTLED_AFTER:
        grown = rests[-1] - rests[_SETTLED_AFTER]
        yield Target(
            f"growth after the first {_SETTLED_AFTER} minutes",
            f"≤ {_GROWTH / MB:.0f} MB",
            f"{grown / MB:.1f} MB",
            grown <= _GROWTH,
        )


def _none(what: str, count: int) -> Target:
    return Target(what, "0", str(count), count == 0)
