"""A decoded image, kept once as its file stores it and converted one region at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.box import Box, Corners, Size
from pipeline.image.planes import KEPT, Planes, to_rgb
from pipeline.image.price import PILLOW
from pipeline.image.reduce import reduce_part
from pipeline.image.strips import SERIAL, Strips

# EXIF 2.3, tag 0x0112 (Orientation) -> the transposition that makes the stored image upright.
ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MIRRORS_COLUMNS = {ORIENTATIONS[exif] for exif in (2, 3, 6, 7)}
_MIRRORS_ROWS = {ORIENTATIONS[exif] for exif in (3, 4, 7, 8)}
_SWAPS_AXES = {ORIENTATIONS[exif] for exif in (5, 6, 7, 8)}

# Below this size, one sRGB copy of the image (16 MB) costs less than converting its regions twice.
_SMALL_PIXELS = 4_000_000

# Below this size, the model's input equals rembg's bit for bit, and the mask does up to rounding.
_EXACT_PIXELS = 8_000_000

ToSRGB = Callable[[Image.Image], Image.Image]
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Reduction:
    """Where pixels that were decoded at 1 / `divisor` of a file's width and height are in it.

    Such a pixel is a square of `divisor` × `divisor` pixels of the file. The last one of a stored
    row or column may be partly outside, which is the first one if the orientation mirrors it.
    `full_size` is the upright source's width and height, `outside` what the first column and the
    first row have outside of it, in its pixels.
    """

    divisor: int
    full_size: tuple[int, int]
    outside: tuple[int, int] = (0, 0)

    @staticmethod
    def of(
        stored: tuple[int, int], divisor: int, orientation: Image.Transpose | None
    ) -> "Reduction":
        """Return the reduction of a file that stores an image of `stored` width and height."""
        full_size = stored[::-1] if orientation in _SWAPS_AXES else stored
        left, top = (-side % divisor for side in full_size)
        return Reduction(
            divisor,
            full_size,
            (
                left if orientation in _MIRRORS_COLUMNS else 0,
                top if orientation in _MIRRORS_ROWS else 0,
            ),
        )

    def to_source(self, decoded: Box) -> Box:
        """Return the box of the source that a box of the decoded pixels shows."""
        left, top, right, bottom = (side * self.divisor for side in decoded.corners)
        return Box.between(
            max(0, left - self.outside[0]),
            max(0, top - self.outside[1]),
            min(self.full_size[0], right - self.outside[0]),
            min(self.full_size[1], bottom - self.outside[1]),
        )

    def to_decoded(self, source: Box) -> tuple[float, float, float, float]:
        """Return the corners of a box of the source in the decoded pixels."""
        left, top, right, bottom = source.corners
        return (
            (left + self.outside[0]) / self.divisor,
            (top + self.outside[1]) / self.divisor,
            (right + self.outside[0]) / self.divisor,
            (bottom + self.outside[1]) / self.divisor,
        )


@dataclass(frozen=True)
class SourceImage:
    """A decoded image. All sizes and corners are those of the upright image, in pixels.

    `stored` holds the pixels as the file does. `orientation` makes them upright. `to_srgb` converts
    any part of them to mode RGB in sRGB; None if they are. `alpha` is the source's own alpha,
    upright, in mode L; None if it is opaque.
    `reduction` tells how the pixels were reduced by the decoder, if they were.
    """

    stored: Image.Image | Planes
    alpha: Image.Image | None = None
    orientation: Image.Transpose | None = None
    to_srgb: ToSRGB | None = None
    strips: Strips = SERIAL
    reduction: Reduction | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the decoded pixels."""
        width, height = self.stored.size
        return (height, width) if self.orientation in _SWAPS_AXES else (width, height)

    @property
    def bytes_kept(self) -> int:
        """The memory that it takes."""
        each = KEPT if isinstance(self.stored, Planes) else PILLOW
        alpha = 0 if self.alpha is None else 1
        return int((each + alpha) * self.size[0] * self.size[1])

    @property
    def scale(self) -> Reduction:
        """Where the decoded pixels are in the source, also if they are its own."""
        return self.reduction or Reduction(1, self.size)

    def rgb(self, corners: Corners | None = None) -> Image.Image:
        """Return a region, or the whole image, upright, in mode RGB and sRGB.

        `corners` are left, top, right and bottom; the last two are exclusive.
        """
        if corners is None:
            corners = (0, 0, *self.size)
        if corners == (0, 0, *self.size) and isinstance(self.stored, Image.Image):
            region = self.stored
        else:
            region = self.stored.crop(self._stored_corners(corners))
        if self.to_srgb is not None:
            region = self.to_srgb(region)
        return region if self.orientation is None else region.transpose(self.orientation)

    def rgbx(self, corners: Corners) -> NDArray[np.uint8]:
        """Return a copy of a region as uint8 (height, width, 4). The fourth channel has no meaning.

        Pillow keeps RGB in four bytes per pixel, so this is faster than a copy in three.
        """
        left, top, right, bottom = corners
        samples = np.frombuffer(self.rgb(corners).tobytes("raw", "RGBX"), np.uint8)
        return samples.reshape(bottom - top, right - left, 4).copy()

    def reduced(
        self, size: tuple[int, int], exact: bool = False, part: Box | None = None
    ) -> Image.Image:
        """Return the image, or a part of the source, at `size` (width, height), by LANCZOS.

        The result is in mode RGB. With `exact`, below 8 megapixels, the samples are Pillow's.
        Otherwise a SIMD resizer computes them in a quarter of the time. What is kept in planes is
        reduced plane by plane.
        """
        if isinstance(self.stored, Planes):
            return self._reduced_planes(self.stored, size, part)
        corners = self.scale.to_decoded(part or Box(0, 0, *self.scale.full_size))
        exact = exact and self.size[0] * self.size[1] < _EXACT_PIXELS
        if exact or self.to_srgb is not None:
            return self._reduced_in_strips(size, corners, exact)
        return self._reduced(self.stored, size, corners)

    def _reduced_planes(self, planes: Planes, size: Size, part: Box | None) -> Image.Image:
        """Reduce each plane, and convert the results to RGB.

        The color differences are the image at half its size.
        """
        luma = replace(self, stored=planes.luma, to_srgb=None)
        reduction = Reduction.of(planes.size, 2, self.orientation)
        half = replace(luma, stored=planes.blue, reduction=reduction)
        corners, half_corners = (
            image.scale.to_decoded(part or Box(0, 0, *image.scale.full_size))
            for image in (luma, half)
        )
        reduced = (
            luma._reduced(planes.luma, size, corners),
            half._reduced(planes.blue, size, half_corners),
            half._reduced(planes.red, size, half_corners),
        )
        result = Image.new("RGB", size)

        def convert_strip(top: int, bottom: int) -> None:
            rows = (0, top, size[0], bottom)
            light, blue, red = (np.asarray(plane.crop(rows)) for plane in reduced)
            strip = to_rgb(light, blue, red, planes.weights)
            result.paste(strip if self.to_srgb is None else self.to_srgb(strip), (0, top))

        self.strips.for_each(convert_strip, size[1], size[0])
        return result

    def _reduced(
        self, stored: Image.Image, size: Size, corners: tuple[float, float, float, float]
    ) -> Image.Image:
        """Reduce what needs no conversion, and make the result upright."""
        if self.orientation in _SWAPS_AXES:
            size = size[::-1]
        reduced = reduce_part(stored, self._stored_corners(corners), size)
        return reduced if self.orientation is None else reduced.transpose(self.orientation)

    def _reduced_in_strips(
        self, size: Size, corners: tuple[float, float, float, float], exact: bool
    ) -> Image.Image:
        """Convert and reduce a few rows at a time, and then all columns."""
        outer = Box.around(corners)
        left, right = corners[0] - outer.left, corners[2] - outer.left
        upper, lower = corners[1] - outer.top, corners[3] - outer.top
        narrow = Image.new("RGB", (size[0], outer.height))

        def reduce_strip(top: int, bottom: int) -> None:
            rows = Box(outer.left, outer.top + top, outer.width, bottom - top)
            region, area = self.rgb(rows.corners), (left, 0, right, bottom - top)
            strip_size = size[0], bottom - top
            if exact:
                strip = region.resize(strip_size, Image.Resampling.LANCZOS, area)
            else:
                strip = reduce_part(region, area, strip_size)
            narrow.paste(strip, (0, top))

        # In an image narrower than `size`, a strip grows.
        self.strips.for_each(reduce_strip, outer.height, max(outer.width, size[0]))
        return narrow.resize(size, Image.Resampling.LANCZOS, (0, upper, size[0], lower))

    def _stored_corners(
        self, corners: tuple[Number, Number, Number, Number]
    ) -> tuple[Number, Number, Number, Number]:
        left, top, right, bottom = corners
        width, height = self.size
        if self.orientation in _MIRRORS_COLUMNS:
            left, right = width - right, width - left
        if self.orientation in _MIRRORS_ROWS:
            top, bottom = height - bottom, height - top
        if self.orientation in _SWAPS_AXES:
            return top, left, bottom, right
        return left, top, right, bottom

    def materialize(self) -> "SourceImage":
        """Convert a small image as a whole. Raises ImageCorrupt if it cannot be converted."""
        width, height = self.size
        if width * height < _SMALL_PIXELS:
            return SourceImage(self.rgb(), self.alpha, strips=self.strips, reduction=self.reduction)
        self.rgb((0, 0, 1, 1))  # an image that cannot be converted fails here, not while it is used
        return self
