"""The sizes of a source and its subject -> the canvas, and the subject's place on it. Pure."""

import math
from dataclasses import dataclass

from pipeline.canvas.plan import Margins, Plan
from pipeline.image.box import Box, Size

# How far from the ideal length of the longer side sides are searched, in pixels. For ratios up to
# 4:1, it leaves at most 0.5 % of a quarter of a megapixel unused.
_SEARCH = 2


@dataclass(frozen=True)
class Layout:
    """Where a part of the source goes.

    `frame` is the part, a box of the source. `place` is where it goes, a box of the canvas, which
    may be larger or smaller. `canvas` is the width and height of the result. All are in pixels.
    """

    frame: Box
    place: Box
    canvas: Size


def fit_size(size: Size, max_pixels: int) -> Size:
    """Return the size of a whole image with at most `max_pixels` pixels.

    A smaller image keeps its size. Otherwise the sides with the most pixels are chosen of those
    whose ratio differs from the image's by at most one pixel of the shorter side: rounding each
    side down would lose up to 1 % of a quarter of a megapixel.
    """
    if size[0] * size[1] <= max_pixels:
        return size
    longer, shorter = max(size), min(size)
    ideal = int(math.sqrt(max_pixels * longer / shorter))
    best = (1, 1)
    for length in range(max(1, ideal - _SEARCH), ideal + _SEARCH + 1):
        exact = length * shorter / longer
        other = max(1, min(max_pixels // length, math.ceil(exact)))
        if abs(other - exact) <= 1 and best[0] * best[1] < length * other <= max_pixels:
            best = length, other
    return best if size[0] == longer else (best[1], best[0])


def arrange(source: Size, subject: Box, plan: Plan) -> Layout:
    """Return the layout of a source of a size with its subject's box.

    The source is first reduced to `plan.max_pixels`. Cropping makes the subject's box with its
    margins the canvas; the margins are empty. A scale makes the subject the largest that fits into
    that share of the canvas; a position divides the space that is left.
    """
    whole = fit_size(source, plan.max_pixels)
    ratios = whole[0] / source[0], whole[1] / source[1]
    place = Box(
        min(round(subject.left * ratios[0]), whole[0] - 1),
        min(round(subject.top * ratios[1]), whole[1] - 1),
        max(1, round(subject.width * ratios[0])),
        max(1, round(subject.height * ratios[1])),
    )
    canvas = whole
    if plan.margins is not None:
        canvas, place = _crop((place.width, place.height), plan.margins)
    elif plan.scale is None and plan.position is None:
        return Layout(Box(0, 0, *source), Box(0, 0, *whole), whole)
    return Layout(subject, _move(place, canvas, plan), canvas)


def _crop(subject: Size, margins: Margins) -> tuple[Size, Box]:
    """Return the canvas of a subject with its margins, and the subject's place on it."""
    width, height = subject
    left, top = margins.left.of(width), margins.top.of(height)
    canvas = (
        int(width + left + margins.right.of(width) + 0.5),
        int(height + top + margins.bottom.of(height) + 0.5),
    )
    return canvas, Box(int(left + 0.5), int(top + 0.5), width, height)


def _move(place: Box, canvas: Size, plan: Plan) -> Box:
    """Scale and move the subject on the canvas."""
    width, height = place.width, place.height
    if plan.scale is not None:
        factor = plan.scale * min(canvas[0] / width, canvas[1] / height)
        width = min(canvas[0], max(1, round(width * factor)))
        height = min(canvas[1], max(1, round(height * factor)))
    if plan.position is not None:
        left = round((canvas[0] - width) * plan.position[0])
        top = round((canvas[1] - height) * plan.position[1])
    else:
        left = _keep_center(place.left, place.width, width, canvas[0])
        top = _keep_center(place.top, place.height, height, canvas[1])
    return Box(left, top, width, height)


def _keep_center(start: int, length: int, scaled: int, canvas: int) -> int:
    """Return where a scaled length begins that keeps its center, as far as the canvas allows."""
    return min(max(0, round(start + (length - scaled) / 2)), canvas - scaled)
