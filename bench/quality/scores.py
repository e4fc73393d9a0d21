"""How far an alpha, and the colors under it, are from the truth."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating]
Region = NDArray[np.bool_]

_BOUNDARY_PIXELS = 2  # as far apart two boundaries may be and still agree
# Fringes are visible within so many pixels of the true boundary, and wherever the truth is soft.
_BAND_PIXELS, _SOFT = 6, (0.02, 0.98)
# Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, 2009.
_GRADIENT_SIGMA = 1.4
_BACKDROPS = np.array([(1, 1, 1), (0, 0, 0), (0, 1, 0)])  # white, black, green


def score(
    cutout: Array, truth: Array, foreground: Array, known: Region | None = None
) -> dict[str, float]:
    """Compare a cutout, float (height, width, 4), with the true alpha and the true colors.

    `truth` is float (height, width), `foreground` float (height, width, 3); all are 0 to 1.
    `known` is as for `score_mask`. Return the scores of the mask, and

    - `sad`: sum of absolute differences, in thousands
    - `gradient`: error of alpha's gradient (Rhemann et al.), in thousands
    - `composite`: mean absolute color error near the true edge over white, black and green
    - `fringe`: mean absolute error of the cutout's own colors there, weighted by its alpha
    """
    colors, alpha = cutout[..., :3], cutout[..., 3]
    scores = score_mask(alpha, truth, known)
    band = _band(truth)
    if known is not None:
        truth, band = np.where(known, truth, alpha), band & known
    own, true = colors * alpha[..., np.newaxis], foreground * truth[..., np.newaxis]
    uncovered = (truth - alpha)[..., np.newaxis]
    composites = [np.abs(own - true + uncovered * backdrop)[band].mean() for backdrop in _BACKDROPS]
    of_colors = {
        "sad": np.abs(alpha - truth).sum() / 1000,
        "gradient": ((_gradient(alpha) - _gradient(truth)) ** 2).sum() / 1000,
        "composite": np.mean(composites),
        "fringe": (np.abs(colors - foreground) * alpha[..., np.newaxis])[band].mean(),
    }
    return scores | {name: float(value) for name, value in of_colors.items()}


def score_mask(alpha: Array, truth: Array, known: Region | None = None) -> dict[str, float]:
    """Compare an alpha with the true one, both float (height, width), 0 to 1.

    Pixels outside `known`, bool (height, width), are unlabeled: they count as right. Return

    - `mae`: mean absolute error of alpha
    - `iou`: intersection over union of alpha ≥ 0.5
    - `boundary`: F-measure of its boundary within 2 pixels
    """
    if known is None:
        known = np.ones(truth.shape, bool)
    truth = np.where(known, truth, alpha)
    found, right = alpha >= 0.5, truth >= 0.5
    scores = {
        "mae": np.abs(alpha - truth).sum() / max(1, known.sum()),
        "iou": (found & right & known).sum() / max(1, ((found | right) & known).sum()),
        "boundary": _boundary_f(_boundary(found), _boundary(right)),
    }
    return {name: float(value) for name, value in scores.items()}


def _boundary(region: Region) -> Region:
    boundary: Region = region ^ ndimage.binary_erosion(region, border_value=1)
    return boundary


def _near(boundary: Region, pixels: int) -> Region:
    near: Region = ndimage.distance_transform_edt(~boundary) <= pixels
    return near


def _boundary_f(found: Region, true: Region) -> float:
    if not found.any() or not true.any():
        return 0.0
    precision = _near(true, _BOUNDARY_PIXELS)[found].mean()
    recall = _near(found, _BOUNDARY_PIXELS)[true].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _band(truth: Array) -> Region:
    soft: Region = (truth > _SOFT[0]) & (truth < _SOFT[1])
    return soft | _near(_boundary(truth >= 0.5), _BAND_PIXELS)


def _gradient(alpha: Array) -> Array:
    magnitude: Array = ndimage.gaussian_gradient_magnitude(alpha, _GRADIENT_SIGMA)
    return magnitude
