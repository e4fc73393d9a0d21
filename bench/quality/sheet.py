"""The contact sheet: the place where the cutouts differ most, side by side over a loud backdrop."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from bench.quality.methods import Sample

_CROP = 160  # pixels of the image, or a sixth of its shorter side if that is more
_SHOWN, _LABEL, _GAP = 200, 16, 2
_BACKDROP = (0, 200, 90)


def row(sample: Sample, cutouts: Mapping[str, Image.Image]) -> Image.Image:
    """Draw the crops of an image, its true cutout and each method's, with their names."""
    image, truth = sample.image, sample.truth
    true = image.copy()
    true.putalpha(Image.fromarray((truth * 255 + 0.5).astype(np.uint8)))
    compared = {"truth": true, **cutouts}
    alphas = [np.asarray(cutout.getchannel("A"), np.float32) for cutout in compared.values()]
    side = max(_CROP, min(image.size) // 6)
    spread = ndimage.uniform_filter(np.ptp(np.stack(alphas), axis=0), side)
    top, left = (int(place) for place in np.unravel_index(spread.argmax(), spread.shape))
    left = max(0, min(left - side // 2, image.width - side))
    top = max(0, min(top - side // 2, image.height - side))
    shown = {sample.name: image.convert("RGBA"), **compared}
    strip = Image.new("RGB", (_SHOWN * len(shown), _SHOWN + _LABEL), "white")
    draw = ImageDraw.Draw(strip)
    for place, (label, whole) in enumerate(shown.items()):
        crop = whole.crop((left, top, left + side, top + side))
        crop = crop.resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
        tile = Image.new("RGB", (_SHOWN - _GAP, _SHOWN), _BACKDROP)
        tile.paste(crop, mask=crop)
        strip.paste(tile, (place * _SHOWN, _LABEL))
        draw.text((place * _SHOWN + 2, 2), label, fill="black")
    return strip


def sheet(rows: list[Image.Image]) -> Image.Image:
    """Stack the rows."""
    return Image.fromarray(np.concatenate([np.asarray(row) for row in rows]))
