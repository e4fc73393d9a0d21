"""A rectangle of the upright source image."""

import math
from dataclasses import dataclass

# Width and height in pixels.
Size = tuple[int, int]

# Left, top, right and bottom in pixels. The last two are exclusive.
Corners = tuple[int, int, int, int]


@dataclass(frozen=True)
class Box:
    """A rectangle of the upright source image, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow takes them: the last two are exclusive."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    def grown(self, margin: int, size: tuple[int, int]) -> "Box":
        """Add `margin` pixels on each side, clipped to an image of `size` (width, height)."""
        left, top, right, bottom = self.corners
        return Box.between(
            max(0, left - margin),
            max(0, top - margin),
            min(size[0], right + margin),
            min(size[1], bottom + margin),
        )

    def within(self, other: "Box") -> "Box":
        """Return what both boxes share. Its sides are 0 if that is nothing."""
        left, top, right, bottom = self.corners
        other_left, other_top, other_right, other_bottom = other.corners
        left, top = max(left, other_left), max(top, other_top)
        return Box.between(
            left, top, max(left, min(right, other_right)), max(top, min(bottom, other_bottom))
        )

    def relative_to(self, other: "Box") -> "Box":
        """Return this box in pixels from the corner of another one."""
        return Box(self.left - other.left, self.top - other.top, self.width, self.height)

    @staticmethod
    def around(corners: tuple[float, float, float, float]) -> "Box":
        """Return the least box that contains corners, which need not be whole."""
        left, top, right, bottom = corners
        return Box.between(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))

    @staticmethod
    def between(left: int, top: int, right: int, bottom: int) -> "Box":
        """Return the box from (left, top) to (right, bottom), exclusive."""
        return Box(left, top, right - left, bottom - top)
