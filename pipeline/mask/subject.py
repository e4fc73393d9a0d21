"""The model's prediction and an image -> the subject: its mask, its alpha and its box."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.image.source_image import SourceImage
from pipeline.mask.components import select_subject
from pipeline.mask.matte import Matte
from pipeline.mask.refine import LocalColorModel, fit_local_colors
from pipeline.mask.segmenter import Prediction

# A subject in a region is at least half as salient as the most salient cell of the whole image.
_SALIENT = 128

# Cells around a region that keep their value, so that alpha does not fade towards its border.
_BORDER_CELLS = 3


@dataclass(frozen=True)
class Selection:
    """What is selected of a prediction, whatever the resolution of the image.

    `mask` is uint8 (height, width), 0 outside the subject. `local_colors` refine its edge, if they
    are given. `confidence` is 0 to 1, or None if the model does not report a peak.
    """

    mask: NDArray[np.uint8]
    local_colors: LocalColorModel | None
    confidence: float | None


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
    model_image: Image.Image,
    prediction: Prediction,
    parts: Literal["largest", "all"],
    edges: Literal["refined", "raw"] = "refined",
    region: Box | None = None,
) -> Selection:
    """Select the subject of an image, in a region of it if one is given.

    `model_image` is the image at the model's size. Raises NoSubjectFound.
    """
    visible = None
    if image.alpha is not None:
        visible = np.asarray(image.alpha.resize(model_image.size))
    if region is not None:
        prediction = _restrict(prediction, region, image.size)
    subject = select_subject(prediction, np.asarray(model_image), visible, parts)
    local_colors = None
    if edges == "refined":
        local_colors = fit_local_colors(subject.mask, model_image, image.size)
    return Selection(subject.mask, local_colors, subject.confidence)


def locate(selection: Selection, image: SourceImage, region: Box | None = None) -> FoundSubject:
    """Find the selected subject in an image, decoded at any size. Raises NoSubjectFound."""
    local_colors = selection.local_colors
    if local_colors is not None:
        local_colors = replace(local_colors, size=image.size)
    matte = Matte(selection.mask, image, local_colors, region)
    return FoundSubject(selection, matte, image.scale.to_source(matte.find_subject()))


def _restrict(prediction: Prediction, region: Box, size: tuple[int, int]) -> Prediction:
    """Return the prediction with 0 outside a region of an image of a size (width, height)."""
    rows, columns = prediction.mask.shape
    left, top, right, bottom = region.corners
    across, down = columns / size[0], rows / size[1]
    kept = np.zeros_like(prediction.mask)
    inner = (
        slice(max(0, int(top * down) - _BORDER_CELLS), int(bottom * down) + 1 + _BORDER_CELLS),
        slice(max(0, int(left * across) - _BORDER_CELLS), int(right * across) + 1 + _BORDER_CELLS),
    )
    kept[inner] = prediction.mask[inner]
    if kept.max() < _SALIENT:
        raise NoSubjectFound
    return Prediction(kept, prediction.peak)
