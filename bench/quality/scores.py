"""How far an alpha, and the colours under it, are from the truth.

Alphas are float (height, width), colours float (height, width, 3), both 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating]

_BOUNDARY_PIXELS = 2  # as far apart two boundaries may be and still agree
_BAND_PIXELS = 6  # on both sides of the true boundary: where people see fringes
_SOFT = (0.02, 0.98)  # and wherever the truth itself is soft
_GRADIENT_SIGMA = (
    1.4  # Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, 2009
)
_BACKDROPS = ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@dataclass(frozen=True)
class Scores:
    """Of one cut-out.

    `mae`: mean absolute error of alpha. `iou`: intersection over union of what is over half. `boundary`: F-measure of the boundary
    of that, within 2 pixels. `sad`: sum of absolute differences, in thousands. `gradient`: the error of alpha's gradient (Rhemann
    et al.), in thousands. `laid`: mean absolute colour error in the band around the true edge when the cut-out is laid over white,
    black and green. `fringe`: that of the cut-out's own colours there, as far as they are seen.
    """

    mae: float
    iou: float
    boundary: float
    sad: float
    gradient: float
    laid: float
    fringe: float


HIGHER_IS_BETTER = frozenset({"iou", "boundary"})


def score(alpha: Array, colors: Array, truth: Array, foreground: Array) -> Scores:
    """Compare a cut-out with the true alpha and the foreground's true colours."""
    difference = np.abs(alpha - truth)
    band = _band(truth)
    return Scores(
        mae=float(difference.mean()),
        iou=_iou(alpha >= 0.5, truth >= 0.5),
        boundary=_boundary_f(alpha >= 0.5, truth >= 0.5),
        sad=float(difference.sum()) / 1000,
        gradient=float(((_gradient(alpha) - _gradient(truth)) ** 2).sum()) / 1000,
        laid=float(
            np.mean(
                [
                    _laid(alpha, colors, truth, foreground, np.array(backdrop))[band].mean()
                    for backdrop in _BACKDROPS
                ]
            )
        ),
        fringe=float((np.abs(colors - foreground) * alpha[..., np.newaxis])[band].mean()),
    )


def _laid(alpha: Array, colors: Array, truth: Array, foreground: Array, backdrop: Array) -> Array:
    shown = colors * alpha[..., np.newaxis] + backdrop * (1 - alpha[..., np.newaxis])
    wanted = foreground * truth[..., np.newaxis] + backdrop * (1 - truth[..., np.newaxis])
    error: Array = np.abs(shown - wanted)
    return error


def _iou(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    return float((ours & theirs).sum() / max(1, (ours | theirs).sum()))


def _boundary(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    boundary: NDArray[np.bool_] = region ^ ndimage.binary_erosion(region, border_value=1)
    return boundary


def _boundary_f(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    mine, true = _boundary(ours), _boundary(theirs)
    if not mine.any() or not true.any():
        return 0.0
    precision = (ndimage.distance_transform_edt(~true)[mine] <= _BOUNDARY_PIXELS).mean()
    recall = (ndimage.distance_transform_edt(~mine)[true] <= _BOUNDARY_PIXELS).mean()
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
