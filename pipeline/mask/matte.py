"""The alpha of a cutout, computed for one region at a time, and the subject's box."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.image.source_image import SourceImage
from pipeline.mask.local_colors import LocalColorModel
from pipeline.mask.refine import SURE_BACKGROUND, refine_edge
from pipeline.mask.upsample import Upsampler

# An alpha below this (4 %) is invisible on any background, so the subject's box ends there.
VISIBLE_ALPHA = 10

# The subject's box is searched from each side, this many cells of the mask at a time.
_SEARCH_CELLS = 2


class Matte:
    """The alpha of an image at full resolution. No copy of the whole is kept."""

    def __init__(
        self,
        mask: NDArray[np.uint8],
        image: SourceImage,
        local_colors: LocalColorModel | None = None,
        region: Box | None = None,
        window: Box | None = None,
    ) -> None:
        """Upsample `mask`, uint8 (height, width), and refine its edge if `local_colors` are given.

        The mask shows `window`, a part of the image, or the whole image. Alpha is 0 outside of it,
        and outside `region`.

        Raises NoSubjectFound if the mask is empty.
        """
        if not mask.any():
            raise NoSubjectFound
        self._image = image
        window = window or Box(0, 0, *image.size)
        self._upsampler = Upsampler(mask, window, exact=local_colors is None)
        self._local_colors = local_colors
        self._region = region
        if self._upsampler.peak <= SURE_BACKGROUND:
            self._local_colors = None  # a trace, in an image much smaller than the mask
        rows, columns = mask.shape
        self._steps = (
            max(1, round(_SEARCH_CELLS * window.width / columns)),
            max(1, round(_SEARCH_CELLS * window.height / rows)),
        )

    def render(self, box: Box, colors: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return the alpha of a region: uint8 (height, width).

        `colors`, the image's colors there, uint8 (height, width, 4), become the foreground's own
        where alpha is partial, in place. If the source has its own alpha they stay, because they
        are clean already.
        """
        alpha = self._upsampler.region(box)
        own_alpha = self._image.alpha
        if self._local_colors is not None:
            clean = colors is not None and own_alpha is None
            if colors is None:
                colors = self._image.rgbx(box.corners)
            refine_edge(alpha, colors, (box.left, box.top), self._local_colors, clean)
        if own_alpha is not None:
            own = own_alpha.crop(box.corners)
            alpha = np.array(ImageChops.multiply(Image.fromarray(alpha), own))
        if self._region is not None:
            left, top, right, bottom = _relative(self._region, box)
            alpha[:top] = alpha[bottom:] = 0
            alpha[:, :left] = alpha[:, right:] = 0
        return alpha

    def find_subject(self) -> Box:
        """Return the box of what is visible: alpha of at least VISIBLE_ALPHA.

        If nothing is, as the source's own alpha or a reduction may leave it, return the box of the
        strongest alpha. Only the margin around the box is rendered.

        Raises NoSubjectFound if alpha is 0 everywhere.
        """
        visible = self._trimmed(self._upsampler.bounds(VISIBLE_ALPHA), VISIBLE_ALPHA)
        if visible is not None:
            return visible
        region = self._upsampler.bounds()
        bands = _bands(region, self._steps[1], from_end=False)
        peak = max((int(self.render(band).max()) for band in bands), default=0)
        strongest = self._trimmed(region, peak) if peak else None
        if strongest is None:
            raise NoSubjectFound
        return strongest

    def _trimmed(self, region: Box, threshold: int) -> Box | None:
        """Return the box of alpha of at least `threshold` in a region, or None without any."""
        found = self._trim(region, 0, threshold, from_end=False)
        if found is None:
            return None
        for axis, from_end in ((0, True), (1, False), (1, True)):
            # In another band, a value at the threshold may be rounded below it.
            found = self._trim(found, axis, threshold, from_end) or found
        return found

    def _trim(self, region: Box, axis: int, threshold: int, from_end: bool) -> Box | None:
        """Remove the rows (axis 0) or columns (axis 1) before the first visible one, or after.

        Return None if none is visible.
        """
        left, top, right, bottom = region.corners
        for band in _bands(region, self._steps[1 - axis], from_end, axis):
            lines = np.flatnonzero(self.render(band).max(axis=1 - axis) >= threshold)
            if lines.size:
                if axis == 0:
                    top, bottom = (
                        (top, band.top + int(lines[-1]) + 1)
                        if from_end
                        else (band.top + int(lines[0]), bottom)
                    )
                else:
                    left, right = (
                        (left, band.left + int(lines[-1]) + 1)
                        if from_end
                        else (band.left + int(lines[0]), right)
                    )
                return Box.between(left, top, right, bottom)
        return None


def _relative(region: Box, box: Box) -> tuple[int, int, int, int]:
    """Return the corners of a region within a box, relative to the box."""
    left, top, right, bottom = region.corners
    return (
        min(max(0, left - box.left), box.width),
        min(max(0, top - box.top), box.height),
        min(max(0, right - box.left), box.width),
        min(max(0, bottom - box.top), box.height),
    )


def _bands(region: Box, step: int, from_end: bool, axis: int = 0) -> Iterator[Box]:
    """Divide a region into bands of `step` rows (axis 0) or columns (axis 1), from either end."""
    left, top, right, bottom = region.corners
    first, end = (top, bottom) if axis == 0 else (left, right)
    starts = range(first, end, step)
    for start in reversed(starts) if from_end else starts:
        stop = min(start + step, end)
        if axis == 0:
            yield Box.between(left, start, right, stop)
        else:
            yield Box.between(start, top, stop, bottom)
