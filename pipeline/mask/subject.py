"""The model's prediction and an image -> the subject: its mask, its alpha and its box."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box, Size
from pipeline.image.source_image import SourceImage
from pipeline.mask.components import Subject, select_subject
from pipeline.mask.local_colors import fit_local_colors
from pipeline.mask.matte import Matte
from pipeline.mask.segmenter import Prediction

# A subject in a region is at least half as salient as the most salient cell of the whole image.
_SALIENT = 128

# Cells around a region that keep their value, so that alpha does not fade towards its border.
_BORDER_CELLS = 3


@dataclass(frozen=True)
class Look:
    """What the model was shown, and what it found there.

    `window` is the part of the upright source that it saw, in pixels. `model_image` is that part,
    in mode RGB, at the model's size.
    """

    window: Box
    model_image: Image.Image
    prediction: Prediction


@dataclass(frozen=True)
class Selection:
    """What is selected of a look, whatever the resolution of the image.

    `subject` has the mask of `look.window`. `parts` and `edges` are those of the options.
    """

    subject: Subject
    look: Look
    parts: Literal["largest", "all"]
    edges: Literal["refined", "raw"]

    def whole_mask(self, source: Size) -> NDArray[np.uint8]:
        """Return the mask of a whole source (width, height): uint8, at the model's size.

        A window begins and ends between its cells.
        """
        mask, window = self.subject.mask, self.look.window
        if window == Box(0, 0, *source):
            return mask
        rows, columns = mask.shape
        left, top, right, bottom = window.corners
        left, right = (round(side * columns / source[0]) for side in (left, right))
        top, bottom = (round(side * rows / source[1]) for side in (top, bottom))
        whole = np.zeros_like(mask)
        reduced = Image.fromarray(mask).resize((right - left, bottom - top))
        whole[top:bottom, left:right] = np.asarray(reduced)
        return whole


@dataclass(frozen=True)
class FoundSubject:
    """A selected subject in a decoded image.

    `matte` renders its alpha, in pixels of the decoded image. `box` is its box in the upright
    source.
    """

    selection: Selection
    matte: Matte
    box: Box


def select(
    image: SourceImage,
    look: Look,
    parts: Literal["largest", "all"],
    edges: Literal["refined", "raw"] = "refined",
    region: Box | None = None,
) -> Selection:
    """Select the subject of an image in a look, and in a region of the source if one is given.

    Raises NoSubjectFound.
    """
    prediction, visible = look.prediction, None
    if image.alpha is not None:
        shown = image.scale.to_decoded(look.window)
        visible = np.asarray(image.alpha.resize(look.model_image.size, box=shown))
    if region is not None:
        prediction = _restrict(prediction, region, look.window)
    subject = select_subject(prediction, np.asarray(look.model_image), visible, parts)
    return Selection(subject, look, parts, edges)


def locate(selection: Selection, image: SourceImage, region: Box | None = None) -> FoundSubject:
    """Find the selected subject in an image, decoded at any size. Raises NoSubjectFound."""
    mask, look = selection.subject.mask, selection.look
    window = Box.around(image.scale.to_decoded(look.window))
    local_colors = None
    if selection.edges == "refined":
        local_colors = fit_local_colors(mask, look.model_image, window)
    matte = Matte(mask, image, local_colors, region, window)
    return FoundSubject(selection, matte, image.scale.to_source(matte.find_subject()))


def _restrict(prediction: Prediction, region: Box, window: Box) -> Prediction:
    """Return the prediction of a window with 0 outside a region of the same source."""
    rows, columns = prediction.mask.shape
    left, top, right, bottom = region.within(window).relative_to(window).corners
    across, down = columns / window.width, rows / window.height
    kept = np.zeros_like(prediction.mask)
    inner = (
        slice(max(0, int(top * down) - _BORDER_CELLS), int(bottom * down) + 1 + _BORDER_CELLS),
        slice(max(0, int(left * across) - _BORDER_CELLS), int(right * across) + 1 + _BORDER_CELLS),
    )
    kept[inner] = prediction.mask[inner]
    if kept.max() < _SALIENT:
        raise NoSubjectFound
    return Prediction(kept, prediction.peak)
