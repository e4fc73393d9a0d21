"""A second look at a small subject: the model sees only the part of the image around it.

The model sees a whole image at 320 × 320, so a subject of a tenth of the image has a hundred cells
per side. In a window around it, taken from the image at full resolution, it has two or three times
as many.

For a cell of the window with the masks m₁ of the first look and m₂ of the second,

    m = m₁ + 0.7 r (m₂ − m₁)

r rises from 0 at a side of the window that is inside the image to 1 at a tenth of the window, so
that nothing is cut off along that side. If the two masks, at least one half each, share less than a
tenth of what either has, the second look has lost the subject, and only the first one counts.

docs/quality.md has the ground truth that chose the constants, and what other values cost.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box, Size
from pipeline.image.source_image import SourceImage
from pipeline.mask.components import Subject
from pipeline.mask.segmenter import Prediction
from pipeline.mask.subject import Look, Selection, select
from pipeline.options import Passes

# `auto` looks again if the box of all parts covers less than this share of the image, or less than
# the second one and the confidence is under one half.
_SMALL, _UNSURE_AND_SMALL = 1 / 3, 0.7
_UNSURE = 0.5

_MARGIN = 0.4  # around the box, as a share of its width and height
_WEIGHT = 0.7  # of the second look
_RAMP = 0.1  # of a side of the window
_MIN_AGREEMENT = 0.1
_HALF = 127.5


def choose_window(subject: Subject, passes: Passes, source: Size) -> Box | None:
    """Return the part of a source (width, height) to look at again, or None to look once.

    `subject` was found in the whole source. The window begins and ends between cells of its mask,
    and is smaller than the source.
    """
    rows, columns = subject.mask.shape
    extent = subject.extent
    share = extent.width * extent.height / (rows * columns)
    is_unsure = subject.confidence is not None and subject.confidence < _UNSURE
    if passes == 1 or (passes == "auto" and share >= (_UNSURE_AND_SMALL if is_unsure else _SMALL)):
        return None
    across, down = round(_MARGIN * extent.width), round(_MARGIN * extent.height)
    left, top, right, bottom = extent.corners
    left, right = max(0, left - across), min(columns, right + across)
    top, bottom = max(0, top - down), min(rows, bottom + down)
    window = Box.between(
        round(left * source[0] / columns),
        round(top * source[1] / rows),
        round(right * source[0] / columns),
        round(bottom * source[1] / rows),
    )
    is_part = (window.width, window.height) != source and window.width > 0 and window.height > 0
    return window if is_part else None


def select_again(
    image: SourceImage, selection: Selection, second: Look, region: Box | None
) -> Selection:
    """Select the subject in both looks, or return `selection`, the first, if they disagree."""
    joined = join(selection.look, second)
    if joined is None:
        return selection
    try:
        return select(image, joined, selection.parts, selection.edges, region)
    except NoSubjectFound:
        return selection


def join(first: Look, second: Look) -> Look | None:
    """Return both looks in one, in the window of the second, or None if they disagree.

    `first` is a look at the whole source.
    """
    before = _crop(first, second.window)
    after = second.prediction.mask.astype(np.float32)
    if _agreement(before, after) < _MIN_AGREEMENT:
        return None
    weight = _WEIGHT * _ramp(second.window, first.window, after.shape)
    mask = (before + weight * (after - before) + 0.5).astype(np.uint8)
    peaks = first.prediction.peak, second.prediction.peak
    peak = None
    if peaks[0] is not None and peaks[1] is not None:
        peak = peaks[0] + _WEIGHT * (peaks[1] - peaks[0])
    return Look(second.window, second.model_image, Prediction(mask, peak))


def _crop(look: Look, window: Box) -> NDArray[np.float32]:
    """Return the mask of a look at the whole source in a part of it, at the model's size."""
    rows, columns = look.prediction.mask.shape
    across, down = columns / look.window.width, rows / look.window.height
    left, top, right, bottom = window.corners
    cells = (left * across, top * down, right * across, bottom * down)
    mask = Image.fromarray(look.prediction.mask)
    return np.asarray(mask.resize((columns, rows), Image.Resampling.LANCZOS, cells), np.float32)


def _agreement(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return intersection over union of the cells of at least one half."""
    one_half, other_half = one > _HALF, other > _HALF
    union = int((one_half | other_half).sum())
    return int((one_half & other_half).sum()) / max(1, union)


def _ramp(window: Box, whole: Box, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return r for each cell of a window: float32 (height, width), 0 to 1."""
    left, top, right, bottom = window.corners
    return np.outer(
        _ramp_of_side(shape[0], top > 0, bottom < whole.height),
        _ramp_of_side(shape[1], left > 0, right < whole.width),
    )


def _ramp_of_side(cells: int, at_start: bool, at_end: bool) -> NDArray[np.float32]:
    """Return r along one side, which rises from the start, from the end, or from both."""
    rising = np.minimum((np.arange(cells, dtype=np.float32) + 0.5) / (_RAMP * cells), 1)
    ramp = np.ones(cells, np.float32)
    if at_start:
        ramp *= rising
    if at_end:
        ramp *= rising[::-1]
    return ramp
