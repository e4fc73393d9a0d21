"""Prediction -> the mask of the chosen subject, by connected components. Pure numpy and scipy.

A component is an 8-connected region of cells at least half as salient as the most salient visible one. The soft edge around the
components, down to the last cell above 0, belongs to the component nearest to it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.errors import NoSubjectFound
from pipeline.mask.segmenter import Prediction

# `all` keeps the parts of at least this share of the largest part's area (the contract).
SMALLEST_PART = 0.01

_EIGHT_CONNECTED = np.ones((3, 3), dtype=int)

# A picture whose neighbours are this unlike is noise: von Neumann's ratio (1941), halved, is 1 for white noise, 0.85 or more for it
# after the reduction to 320 × 320; at most 0.3 for photographs, 0.49 for drawings, and 0.77 for a dithered photograph, among 700
# test images. The model's own certainty does not tell: on noise it peaks anywhere from 0.01 to 0.99.
_NOISE_RATIO = 0.82


@dataclass(frozen=True)
class Subject:
    """`mask`: uint8 (height, width) of the model's size, 0 outside the chosen parts. `confidence`: 0 to 1, or None if unknown."""

    mask: NDArray[np.uint8]
    confidence: float | None


def select(
    prediction: Prediction,
    small: NDArray[np.uint8],
    visible: NDArray[np.uint8] | None,
    parts: Literal["largest", "all"],
) -> Subject:
    """Keep the largest component, or every part of at least 1 % of its area.

    `small` is the picture the model saw, uint8 (height, width, 3); `visible` the source's own alpha at that size, uint8
    (height, width), or None if opaque. The confidence is the mean probability that the model gave to the kept components' cells
    before the mask was stretched: near 1 for a clear subject, under 0.1 where the stretch has made a subject of next to nothing.
    The confidence is None if the prediction has no peak.

    Raises NoSubjectFound for a picture of one colour, for noise, and where nothing salient is visible. Other weak pictures
    (gradients, textures) are answered with a low confidence: tests on 600 images found faint but real subjects among them.
    """
    if _is_featureless(small):
        raise NoSubjectFound
    mask = prediction.mask if visible is None else _stretch_to_visible(prediction.mask, visible)
    salient = mask if visible is None else (mask * (visible / np.float32(255))).astype(np.uint8)
    if not salient.any():
        raise NoSubjectFound
    labels, count = ndimage.label(salient * 2.0 >= salient.max(), _EIGHT_CONNECTED)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    kept = areas >= SMALLEST_PART * areas.max() if parts == "all" else np.arange(count) == areas.argmax()
    core = np.concatenate(([False], kept))[labels]
    near_kept, near_dropped = _nearest(mask, labels, kept)
    # With `all`, what is too faint to be a part of its own (no cell of it is half as salient as the peak) stays as it is.
    chosen = np.where(near_kept if parts == "largest" else ~near_dropped, mask, np.uint8(0))
    confidence = None if prediction.peak is None else float(mask[core].mean()) / 255 * prediction.peak
    return Subject(chosen, confidence)


def _is_featureless(small: NDArray[np.uint8]) -> bool:
    if (small == small[0, 0]).all():
        return True
    channels = small.transpose(2, 0, 1).astype(np.float32, order="C")
    variance = channels.var(axis=(1, 2)).sum()
    differences = (np.diff(channels, axis=1).var(axis=(1, 2)) + np.diff(channels, axis=2).var(axis=(1, 2))).sum() / 2
    return bool(differences > _NOISE_RATIO * 2 * variance)


def _stretch_to_visible(mask: NDArray[np.uint8], visible: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scale the mask so that its most salient visible cell is 255: what the source hides must not make the rest faint."""
    greatest = int(mask[visible > 0].max(initial=0))
    if greatest == 0:
        raise NoSubjectFound
    stretched: NDArray[np.uint8] = np.minimum(mask * (255.0 / greatest), 255).astype(np.uint8)
    return stretched


def _nearest(
    mask: NDArray[np.uint8], labels: NDArray[np.signedinteger[Any]], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which cells belong to the kept components, and which to the dropped ones: (height, width) each.

    A cell above 0 belongs to the nearest component of those that its region of cells above 0 holds; without one, to nobody.
    """
    is_kept = np.concatenate(([False], kept))
    regions, count = ndimage.label(mask > 0, _EIGHT_CONNECTED)
    has_component = _regions_that_hold(labels > 0, regions, count)
    if kept.all():
        return has_component, np.zeros_like(has_component)
    rows, columns = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    nearest_is_kept: NDArray[np.bool_] = is_kept[labels[rows, columns]]
    connected_to_kept = _regions_that_hold(is_kept[labels], regions, count)
    return connected_to_kept & nearest_is_kept, has_component & ~nearest_is_kept


def _regions_that_hold(cells: NDArray[np.bool_], regions: NDArray[np.signedinteger[Any]], count: int) -> NDArray[np.bool_]:
    """The cells of every region that holds one of `cells`, all (height, width); region 0 is no region."""
    holds = np.zeros(count + 1, bool)
    holds[regions[cells]] = True
    holds[0] = False
    held: NDArray[np.bool_] = holds[regions]
    return held
