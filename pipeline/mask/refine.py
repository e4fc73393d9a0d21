"""Refines the edge of a mask by the image: alpha, and the foreground's own color.

The model sees a few hundred pixels per side, so the edge of its mask is several image pixels wide
wherever the true edge runs inside it. Around every point of that edge are cells that the mask is
sure of. Their mean colors, F of the foreground and B of the background, make the compositing
equation I = αF + (1 − α)B solvable for a pixel of color I, by projection onto the line from B to F
(Ruzon and Tomasi, Alpha Estimation in Natural Images, 2000). Where F and B are not separable, fall
back to the mask.

For a pixel of color I and mask m (0 to 1), with colors as vectors in [0, 1]³ and d = F − B:

    c(m) = (m − 0.6) / 0.5 + 0.5                          the mask's own edge, with more contrast
    s    = (0.02 + 3.5 (σ²F + σ²B + 3 ρ²)) / k            how little the colors say
    a    = clip(((I − B)·d + s c(m)) / (|d|² + s))        the colors' alpha, and the mask's
    w    = 0.4 (1 + √(|d|² / (|d|² + s)))                 0.4 if the mask decides, 0.8 if colors do
    b    = clip((a − ½) / w + ½)
    t    = (m − ½) / f                                    how far this is inside the mask's edge
    α    = m + k (clip(b, ½ clip(t), 1 − ½ clip(−t)) − m)

clip limits to [0, 1], or to the bounds that follow. Colors may move the edge away from the mask's
own as far as f allows: beyond |t| = 1, α stays on the mask's side of ½. Where colors do not decide,
that is everywhere. `local_colors.py` has f and the other symbols. Where k is 0 (a strap, a wisp of
hair) the mask's trace is all there is, and α is m.

The foreground's color of a pixel with 0 < α < 1 is

    F' = clip(F + α (I − αF − (1 − α)B))

(Forte and Pitié, Approximate Fast Foreground Colour Estimation, 2021).

The constants were chosen with `make quality` on people, products and fur, by the error of alpha.
They are a compromise: fur prefers softer edges than products. `python -m bench.quality.constants`
prints how the error depends on each. From 0.75 to 1.33 times its value it changes by at most 1 %,
except for _MASK_CENTER (3.6 %) and _MIN_WIDTH (1.6 %). The bounds by t were chosen by IoU and
boundary F on sets of hard scenes too: without them, colors that a weak mask misplaces move the edge
(0.6 points of IoU and 2.8 of boundary F lost on GrabCut).
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.mask.local_colors import TINY, TO_SHARE, Floats, LocalColorModel, dot, planes

# At or outside these values (4 % and 96 % of 255) the mask is sure: nothing of the foreground can
# be seen, or nothing can be seen through it.
SURE_BACKGROUND, SURE_FOREGROUND = 10, 245

_MASK_CENTER, _MASK_WIDTH = 0.6, 0.5  # of c(m)
_MIN_WIDTH = 0.4  # of w
_BELOW_HALF = 0.503  # what is taken from 1 to stay below one half of 255


def refine_edge(
    alpha: NDArray[np.uint8],
    colors: NDArray[np.uint8],
    corner: tuple[int, int],
    local_colors: LocalColorModel,
    clean: bool,
) -> None:
    """Refine the upsampled mask of a region, and the colors along its edge, in place.

    `alpha` is uint8 (height, width), `colors` uint8 (height, width, 4), whose fourth channel has no
    meaning, and `corner` the region's (left, top). Unsure pixels get the α of the module's formula;
    sure ones become 0 or 255. With `clean`, pixels of partial α get the color F'.
    """
    unsure = _between(alpha, SURE_BACKGROUND, SURE_FOREGROUND)
    if unsure.size:
        height, width = alpha.shape
        ends = np.searchsorted(unsure, np.arange(1, height + 1) * width)
        counts = np.diff(ends, prepend=0)
        columns = unsure - np.repeat(np.arange(height) * width, counts)
        fields = local_colors.at(corner, counts, columns)
        mask = alpha.take(unsure) * TO_SHARE
        # Four bytes as one number are gathered and scattered at once.
        words = colors.view(np.uint32).reshape(-1)
        gathered = words.take(unsure)
        samples = gathered.view(np.uint8).reshape(-1, 4)
        image = planes(samples[:, :3])
        share = _solve_alpha(mask, image, fields)
        refined = (share * 255 + 0.5).astype(np.uint8)
    np.multiply(alpha > 127, np.uint8(255), out=alpha)
    if unsure.size:
        alpha.reshape(-1)[unsure] = refined
        if clean:
            # The background has been subtracted from `image`, and from the foreground.
            difference, background = fields[:3], fields[3:6]
            image -= share * difference
            image *= share
            image += difference
            image += background
            np.clip(image, 0, 1, out=image)
            image *= 255
            image += 0.5
            for channel in range(3):
                samples[:, channel] = image[channel]
            words[unsure] = gathered


def _solve_alpha(mask: Floats, image: Floats, fields: Floats) -> Floats:
    """Return the α of pixels, float32 (pixels,).

    `mask` is their upsampled mask, 0 to 1, (pixels,), `image` their colors, (3, pixels), and
    `fields` the interpolated LocalColorModel.fields, (9, pixels). Subtracts B from `image` and from
    F, in place.
    """
    foreground, background, (weight, known, freedom) = fields[:3], fields[3:6], fields[6:]
    foreground -= background
    image -= background
    mixed = dot(image, foreground)
    mixed /= dot(foreground, foreground) + TINY
    by_color = 1 - weight
    mixed *= by_color
    mixed += weight * ((mask - _MASK_CENTER) / _MASK_WIDTH + 0.5)
    np.clip(mixed, 0, 1, out=mixed)
    inside = mask - 0.5
    inside /= freedom + TINY
    np.clip(inside, -1, 1, out=inside)
    width = np.sqrt(by_color, out=by_color)
    width += 1
    width *= _MIN_WIDTH
    mixed -= 0.5
    mixed /= width
    mixed += 0.5
    np.clip(mixed, 0, 1, out=mixed)
    np.maximum(mixed, 0.5 * inside, out=mixed)
    np.minimum(mixed, 1 + _BELOW_HALF * np.minimum(inside, 0), out=mixed)
    mixed -= mask
    mixed *= known
    mixed += mask
    return mixed


def _between(values: NDArray[np.uint8], low: int, high: int) -> NDArray[np.intp]:
    """Return the flat indices of values over `low` and under `high`.

    One comparison is enough: the difference of a value that is too small wraps around.
    """
    return np.flatnonzero(values - np.uint8(low + 1) < high - low - 1)
