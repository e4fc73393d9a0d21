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
    name, image, truth = sample
    alphas = [np.asarray(cutout.getchannel("A")) / np.float32(255) for cutout in cutouts.values()]
    side = max(_CROP, min(image.size) // 6)
    difference = np.ptp(np.stack([*alphas, truth.astype(np.float32)]), axis=0)
    spread = ndimage.uniform_filter(difference, side)
    top, left = (int(place) for place in np.unravel_index(spread.argmax(), spread.shape))
    left = max(0, min(left - side // 2, image.width - side))
    top = max(0, min(top - side // 2, image.height - side))
    true = image.convert("RGB")
    true.putalpha(Image.fromarray((truth * 255 + 0.5).astype(np.uint8)))
    shown = {name: image.convert("RGBA"), "truth": true, **cutouts}
    strip = Image.new("RGB", (_SHOWN * len(shown), _SHOWN + _LABEL), "white")
    draw = ImageDraw.Draw(strip)
    for place, (label, whole) in enumerate(shown.items()):
        crop = whole.crop((left, top, left + side, top + side))
        crop = crop.resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
        crop = crop.crop((0, 0, _SHOWN - _GAP, _SHOWN))
        tile = Image.new("RGB", crop.size, _BACKDROP)
        tile.paste(crop, mask=crop)
        strip.paste(tile, (place * _SHOWN, _LABEL))
        draw.text((place * _SHOWN + 2, 2), label, fill="black")
    return strip


def sheet(rows: list[Image.Image]) -> Image.Image:
    """Stack the rows."""
    return Image.fromarray(np.concatenate([np.asarray(row) for row in rows]))
