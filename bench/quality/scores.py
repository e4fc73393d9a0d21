"""How far an alpha, and the colors under it, are from the truth.

Alphas are float (height, width), colors float (height, width, 3), both 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating]

_BOUNDARY_PIXELS = 2  # as far apart two boundaries may be and still agree
# Fringes are visible within so many pixels of the true boundary, and wherever the truth is soft.
_BAND_PIXELS, _SOFT = 6, (0.02, 0.98)
# Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, 2009.
_GRADIENT_SIGMA = 1.4
_BACKDROPS = np.array([(1, 1, 1), (0, 0, 0), (0, 1, 0)])  # white, black, green


@dataclass(frozen=True)
class Scores:
    """The scores of a cutout.

    `mae`: mean absolute error of alpha. `iou`: intersection over union of alpha ≥ 0.5. `boundary`:
    F-measure of its boundary within 2 pixels. `sad`: sum of absolute differences, in thousands.
    `gradient`: error of alpha's gradient (Rhemann et al.), in thousands. `composite`: mean absolute
    color error near the true edge over white, black and green. `fringe`: mean absolute error of the
    cutout's own colors there, weighted by its alpha.
    """

    mae: float
    iou: float
    boundary: float
    sad: float
    gradient: float
    composite: float
    fringe: float


def score(alpha: Array, colors: Array, truth: Array, foreground: Array) -> Scores:
    """Compare a cutout with the true alpha and the foreground's true colors."""
    difference, band = np.abs(alpha - truth), _band(truth)
    own, true = colors * alpha[..., np.newaxis], foreground * truth[..., np.newaxis]
    uncovered = (truth - alpha)[..., np.newaxis]
    composites = [np.abs(own - true + uncovered * backdrop)[band].mean() for backdrop in _BACKDROPS]
    return Scores(
        mae=float(difference.mean()),
        iou=_iou(alpha >= 0.5, truth >= 0.5),
        boundary=_boundary_f(alpha >= 0.5, truth >= 0.5),
        sad=float(difference.sum()) / 1000,
        gradient=float(((_gradient(alpha) - _gradient(truth)) ** 2).sum()) / 1000,
        composite=float(np.mean(composites)),
        fringe=float((np.abs(colors - foreground) * alpha[..., np.newaxis])[band].mean()),
    )


def _iou(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float((found & true).sum() / max(1, (found | true).sum()))


def _boundary(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    boundary: NDArray[np.bool_] = region ^ ndimage.binary_erosion(region, border_value=1)
    return boundary


def _boundary_f(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    found, true = _boundary(found), _boundary(true)
    if not found.any() or not true.any():
        return 0.0
    precision = (ndimage.distance_transform_edt(~true)[found] <= _BOUNDARY_PIXELS).mean()
    recall = (ndimage.distance_transform_edt(~found)[true] <= _BOUNDARY_PIXELS).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _band(truth: Array) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = (
        ndimage.distance_transform_edt(~_boundary(truth >= 0.5)) <= _BAND_PIXELS
    )
    return near | ((truth > _SOFT[0]) & (truth < _SOFT[1]))


def _gradient(alpha: Array) -> Array:
    across, down = (
        ndimage.gaussian_filter(alpha, _GRADIENT_SIGMA, order=order) for order in ((0, 1), (1, 0))
    )
    magnitude: Array = np.hypot(across, down)
    return magnitude
