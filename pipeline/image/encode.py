"""Picture and matte -> the answer's bytes. Nothing of the source but its pixels goes in."""

import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from pipeline.errors import FormatUnsupported
from pipeline.image.png import Rows, write_png
from pipeline.image.source_image import Picture
from pipeline.image.strips import Strips
from pipeline.mask.refine import Surroundings, clean
from pipeline.mask.upsample import Matte
from pipeline.options import Options

# WebP's own limit (RFC 9649: 14 bits a side), and the area that stays within the service's memory: composing and encoding take 24
# bytes a pixel, with transparency, at method 2; at libwebp's default, 4, it is 34, twice the time, and 1 % smaller.
WEBP_MAX_SIDE = 16_383
WEBP_MAX_PIXELS = 6_000_000
WEBP_BYTES_A_PIXEL = 24
_WEBP_METHOD = 2
WEBP_QUALITY = 90

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels


def encode(picture: Picture, matte: Matte, options: Options, around: Surroundings | None = None) -> bytes:
    """Encode what `matte.frame` shows of the picture as `options` ask, 8 bits a channel.

    With `around`, what is partly transparent has the foreground's own colours, as far as the source has none of its own alpha.
    Alpha is straight; a fully transparent pixel is (0, 0, 0, 0), so what was removed cannot be recovered.
    Raises FormatUnsupported for a WebP larger than WebP or the memory allows.
    """
    width, height = matte.frame.width, matte.frame.height
    if options.format == "webp" and (max(width, height) > WEBP_MAX_SIDE or width * height > WEBP_MAX_PIXELS):
        raise FormatUnsupported
    rows = functools.partial(_compose, picture, matte, options, around)
    channels: int = rows(0, 1).shape[2]
    return (_webp if options.format == "webp" else write_png)(rows, width, height, channels, picture.strips)


def _compose(
    picture: Picture, matte: Matte, options: Options, around: Surroundings | None, top: int, bottom: int
) -> NDArray[np.uint8]:
    """Rows `top` to `bottom` of the answer, (rows, width, channels): one for a mask, three on an opaque background, else four."""
    alpha = matte.alpha[top:bottom]
    if options.output == "mask":
        return alpha[..., np.newaxis]
    left, above, right, _ = matte.frame.corners
    colours = picture.rgb((left, above + top, right, above + bottom))
    if picture.alpha is not None:  # what is cut out already has the colours that it should have
        around = None
    opacities = Image.fromarray(alpha)
    *backdrop, opacity = _rgba(options.background) if options.background else (0, 0, 0, 0)
    if opacity and around is not None:
        pixels = np.array(colours)
        clean(pixels, alpha, (left, above + top), around)
        colours = Image.fromarray(pixels)
    if opacity == 255:
        opaque = Image.new("RGB", colours.size, tuple(backdrop))
        opaque.paste(colours, mask=opacities)
        return np.asarray(opaque)
    cutout = colours.copy()
    cutout.putalpha(opacities)
    if opacity:
        return np.asarray(Image.alpha_composite(Image.new("RGBA", colours.size, (*backdrop, opacity)), cutout))
    seen: NDArray[np.uint32] = np.asarray(cutout).view(np.uint32) * (alpha[..., np.newaxis] > 0)
    pixels = seen.view(np.uint8)
    if around is not None:
        clean(pixels, alpha, (left, above + top), around)
    return pixels


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue, *alpha = ImageColor.getrgb(colour)
    return red, green, blue, alpha[0] if alpha else 255


def _webp(rows: Rows, width: int, height: int, channels: int, strips: Strips) -> bytes:
    """The whole at once, as libwebp wants it."""
    image = Image.new(_MODES[channels], (width, height))

    def paste(top: int, bottom: int) -> None:
        band = rows(top, bottom)
        image.paste(Image.fromarray(band if channels > 1 else band[..., 0]), (0, top))

    strips.for_each(paste, height, width)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=WEBP_QUALITY, method=_WEBP_METHOD)
    return file.getvalue()
