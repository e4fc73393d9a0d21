"""How much smaller than its source a response is, and how much of a JPEG it needs."""

import math

from pipeline.image.box import Box, Size

# The fractions at which libjpeg decodes in less time.
_DIVISORS = (8, 4, 2)

# How many times as many pixels are decoded as the response has. The first decoding does not know
# the subject's box yet: it takes twice the response's side, so that a subject of 71 % of the
# image's longer side suffices.
_SIDES_OF_FIRST = 2
_PIXELS = 2

# The sides of the model's input that the decoded image must have at least.
_SIDES_OF_INPUT = 2


def response_size(frame: Box, max_side: int | None) -> Size:
    """Return width and height of a frame whose longer side is reduced to at most `max_side`."""
    longer = max(frame.width, frame.height)
    if max_side is None or longer <= max_side:
        return frame.width, frame.height
    width, height = (
        max(1, round(side * max_side / longer)) for side in (frame.width, frame.height)
    )
    return width, height


def first_divisor(size: Size, max_side: int, input_size: Size) -> int:
    """Return 1, 2, 4 or 8: what to divide a JPEG of `size` by for its first decoding.

    The longer side stays at least twice `max_side`, and each side at least twice the longer side of
    the model's `input_size`.
    """
    for_response = max(size) / (_SIDES_OF_FIRST * max_side)
    for_model = min(size) / (_SIDES_OF_INPUT * max(input_size))
    return _largest_divisor(min(for_response, for_model))


def finer_divisor(frame: Box, size: Size, divisor: int) -> int | None:
    """Return 1, 2 or 4 if a JPEG must be decoded at less than `divisor` for a response, else None.

    It must if `frame`, in pixels of the source, would have less than twice the pixels of the
    response, `size`.
    """
    ratio = math.sqrt(frame.width * frame.height / (_PIXELS * size[0] * size[1]))
    finer = _largest_divisor(ratio)
    return finer if finer < divisor else None


def divisor_of_part(part: Box, input_size: Size, divisor: int) -> int | None:
    """Return 1, 2 or 4 if a JPEG must be decoded at less than `divisor` to look at a part of it.

    It must if a side of `part`, in pixels of the source, would have fewer pixels than the model's
    `input_size`. Return None if it need not be.
    """
    finer = _largest_divisor(min(part.width / input_size[0], part.height / input_size[1]))
    return finer if finer < divisor else None


def _largest_divisor(most: float) -> int:
    return next((divisor for divisor in _DIVISORS if divisor <= most), 1)
