"""The contact sheet: for each picture, the place where the cut-outs differ most, side by side over a loud backdrop."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from bench.quality.scores import Array

_CROP = 160  # pixels of the picture, shown at twice their size where it is small
_SHOWN = 200
_LABEL = 16
_BACKDROP = (0, 200, 90)


def row(
    name: str, picture: Image.Image, truth: Array, cutouts: Mapping[str, Image.Image]
) -> Image.Image:
    """A picture's crop, then the truth and each cut-out over the backdrop, with their names."""
    alphas = [
        np.asarray(cutout.getchannel("A"), dtype=np.float32) / 255 for cutout in cutouts.values()
    ]
    side = max(_CROP, min(picture.size) // 6)
    spread = ndimage.uniform_filter(
        np.ptp(np.stack([*alphas, truth.astype(np.float32)]), axis=0), side
    )
    top, left = (int(place) for place in np.unravel_index(spread.argmax(), spread.shape))
    left = max(0, min(left - side // 2, picture.width - side))
    top = max(0, min(top - side // 2, picture.height - side))
    true = picture.convert("RGB")
    true.putalpha(Image.fromarray((truth * 255 + 0.5).astype(np.uint8)))
    shown = {name: picture.convert("RGBA"), "truth": true, **cutouts}
    strip = Image.new("RGB", (_SHOWN * len(shown), _SHOWN + _LABEL), "white")
    draw = ImageDraw.Draw(strip)
    for place, (label, image) in enumerate(shown.items()):
        crop = image.crop((left, top, left + side, top + side)).resize(
            (_SHOWN, _SHOWN), Image.Resampling.LANCZOS
        )
        strip.paste(_BACKDROP, (place * _SHOWN, _LABEL, (place + 1) * _SHOWN - 2, _SHOWN + _LABEL))
        strip.paste(
            crop.crop((0, 0, _SHOWN - 2, _SHOWN)),
            (place * _SHOWN, _LABEL),
            crop.crop((0, 0, _SHOWN - 2, _SHOWN)),
        )
        draw.text((place * _SHOWN + 2, 2), label, fill="black")
    return strip


def sheet(rows: list[Image.Image]) -> Image.Image:
    """All the rows, one below the other."""
    whole = Image.new("RGB", (rows[0].width, sum(one.height for one in rows)), "white")
    top = 0
    for one in rows:
        whole.paste(one, (0, top))
        top += one.height
    return whole
