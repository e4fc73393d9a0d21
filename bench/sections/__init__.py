"""What `python -m bench` measures: one module per section, listed in bench/__init__.py."""

from typing import Protocol

from bench.report import Figures, Target
from bench.servers import Stage

# The options that latency and load are measured for: the defaults, and the edges that rembg has.
VARIANTS: dict[str, dict[str, str]] = {"default": {}, "edges=raw": {"edges": "raw"}}

COLORS = {"rembg": "#c2571a", "default": "#1f5fa8", "edges=raw": "#6fa8dc", "floor": "#8a8a8a"}


class Section(Protocol):
    """A module of this package."""

    def measure(self, stage: Stage) -> Figures:
        """Return every sample."""

    def report(self, figures: Figures) -> str:
        """Write the figures in Markdown."""

    def targets(self, figures: Figures) -> list[Target]:
        """Return what is wanted of the figures."""


def variants(figures: Figures) -> list[str]:
    """Return the variants that the figures have."""
    return [name for name in VARIANTS if name in figures]


def label(name: str) -> str:
    """Return the legend of a line or bar."""
    return f"this service, {name}" if name in VARIANTS else name
