"""What is asked for of a composed image."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.image.box import Box, Size

RGBA = tuple[int, int, int, int]
Format = Literal["auto", "png", "jpeg", "webp", "zip"]
ShadowKind = Literal["drop", "3d", "car"]

TRANSPARENT: RGBA = (0, 0, 0, 0)


@dataclass(frozen=True)
class Length:
    """Pixels, or a percentage of a side."""

    value: float
    is_percent: bool

    def of(self, side: int) -> float:
        """Return the length in pixels, for a side of that many pixels."""
        return self.value * side / 100 if self.is_percent else self.value


@dataclass(frozen=True)
class Margins:
    """What is added around a subject when cropping."""

    top: Length
    right: Length
    bottom: Length
    left: Length


@dataclass(frozen=True)
class Shadow:
    """A shadow under the subject; `opacity` is 0 to 1."""

    kind: ShadowKind
    opacity: float


@dataclass(frozen=True)
class Plan:
    """How a cutout is composed.

    `max_pixels` is the size of the whole image, before it is cropped, at most. `find_region`
    returns the part of an image of a size (width, height) in which a subject may be. `margins`
    ask for cropping. `scale` is the subject's share of the canvas, 0 to 1, and `position` its
    place, 0 to 1 to the right and down; None keeps the subject as it is. `is_solid` makes the
    inside of the subject opaque.
    """

    max_pixels: int
    find_region: Callable[[Size], Box] | None = None
    margins: Margins | None = None
    scale: float | None = None
    position: tuple[float, float] | None = None
    is_solid: bool = False
    shadow: Shadow | None = None
    color: RGBA = TRANSPARENT
    is_alpha_only: bool = False
    format: Format = "auto"
