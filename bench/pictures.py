"""The JPEG files that both sides get.

They are real photos where the folder TEST_DATA (default ../shared/data) is there, else the project's own photo enlarged, with film
grain so that it compresses like a photo.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench.progress import say
from tests.support.icc import adobe_rgb

_ROOT = Path(__file__).parent.parent
TEST_DATA = Path(os.environ.get("TEST_DATA", _ROOT.parent / "shared" / "data"))
_PHOTOS = TEST_DATA / "photos" / "large"
_OWN_PHOTO = _ROOT / "docs" / "coffee.jpg"

# Up to how many megapixels each photo serves: none is enlarged by more than a hair.
_SOURCES = {
    6.1: "sharp_2569067123_6MP.jpg",
    12.2: "dog_12MP_exif6.jpg",
    24.1: "craft-beer_24MP.jpg",
}

# Megapixels.
SIZES = (0.24, 0.67, 1.6, 6, 10.7, 24)
HARD_SIZES = (12, 24)
VARIANTS = ("plain", "rotated", "profile", "progressive", "cmyk")

# EXIF 2.3: stored a quarter turn to the left of upright, as phones do.
_ORIENTATION, _TURNED = 0x0112, 6

_GRAIN = 4.0  # standard deviation, in levels of 255


@dataclass(frozen=True)
class Pictures:
    """JPEG files: `plain` by megapixels; `hard` by megapixels and variant, the same picture stored in harder ways."""

    made_from: str
    plain: dict[float, bytes]
    hard: dict[tuple[float, str], bytes]

    def mixed(self, megapixels: float, count: int) -> list[bytes]:
        """`count` pictures, the variants in turn."""
        return [self.hard[megapixels, VARIANTS[i % len(VARIANTS)]] for i in range(count)]


def make_pictures() -> Pictures:
    """Make all of them, in some seconds."""
    is_real = all((_PHOTOS / name).exists() for name in _SOURCES.values())
    made_from = (
        "real photos, made smaller"
        if is_real
        else "the project's own photo, enlarged, with seeded grain"
    )
    say(f"pictures: {made_from}")
    plain = {size: _jpeg(_photo(size, is_real)) for size in SIZES}
    hard: dict[tuple[float, str], bytes] = {}
    for size in HARD_SIZES:
        photo = _photo(size, is_real)
        hard |= {(size, variant): _variant(photo, variant) for variant in VARIANTS}
    return Pictures(made_from, plain, hard)


def size_of(picture: bytes) -> tuple[int, int]:
    """Width and height as stored, in pixels."""
    with Image.open(io.BytesIO(picture)) as image:
        return image.size


def _photo(megapixels: float, is_real: bool) -> Image.Image:
    """An upright RGB photo of that many megapixels."""
    name = next(name for limit, name in _SOURCES.items() if megapixels <= limit)
    with Image.open(_PHOTOS / name if is_real else _OWN_PHOTO) as file:
        photo = ImageOps.exif_transpose(file).convert("RGB")
    scale = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    photo = photo.resize(
        (round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS
    )
    return photo if is_real else _grained(photo)


def _grained(photo: Image.Image) -> Image.Image:
    grain = (
        np.random.default_rng(seed=0).standard_normal((photo.height, photo.width, 1), np.float32)
        * _GRAIN
    )
    return Image.fromarray((np.asarray(photo) + grain).clip(0, 255).astype(np.uint8))


def _variant(photo: Image.Image, variant: str) -> bytes:
    match variant:
        case "rotated":
            exif = Image.Exif()
            exif[_ORIENTATION] = _TURNED
            return _jpeg(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)
        case "profile":
            return _jpeg(photo, icc_profile=adobe_rgb())
        case "progressive":
            return _jpeg(photo, progressive=True)
        case "cmyk":
            return _jpeg(photo.convert("CMYK"))
        case _:
            return _jpeg(photo)


def _jpeg(image: Image.Image, **options: object) -> bytes:
    """Quality 90, 4:2:0, baseline unless `options` say otherwise."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling="4:2:0", **options)
    return file.getvalue()
