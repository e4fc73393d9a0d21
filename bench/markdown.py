"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

from bench.targets import Target


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A row a line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def target_table(targets: Iterable[Target]) -> str:
    """What was wanted, what was measured, and whether that is enough."""
    rows = [
        (target.what, target.wanted, target.measured, "yes" if target.reached else "**no**")
        for target in targets
    ]
    return table(("what", "wanted", "measured", "reached"), rows)
