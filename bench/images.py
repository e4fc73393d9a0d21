"""The JPEG files that both servers get.

They are photos of TEST_DATA if it is there, and the project's sample otherwise, enlarged and with
grain so that it compresses like a photo.
"""

import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from bench.report import say
from tests.support.environment import DATA
from tests.support.faults import Fault, sends, with_length
from tests.support.icc import adobe_rgb
from tests.support.images import encoded, grainy

_PHOTOS = DATA / "photos" / "large"
# The photo for up to so many megapixels: none is enlarged by more than a hair.
_SOURCES = {
    6.1: "sharp_2569067123_6MP.jpg",
    12.2: "dog_12MP_exif6.jpg",
    24.1: "craft-beer_24MP.jpg",
}

# Megapixels.
SIZES, HARD_SIZES = (0.24, 0.67, 1.6, 6.0, 10.7, 24.0), (12.0, 24.0)
KINDS = ("plain", "rotated", "profile", "progressive", "cmyk")

# EXIF 2.3: stored a quarter turn to the left of upright, as phones do.
_ORIENTATION, _TURNED = 0x0112, 6


@dataclass(frozen=True)
class Images:
    """JPEG files: `plain` by megapixels; `hard` by megapixels and kind, one image in every kind."""

    made_from: str
    plain: dict[float, bytes]
    hard: dict[tuple[float, str], bytes]

    @property
    def named(self) -> dict[str, bytes]:
        """All files by name, such as "0.24-plain" and "12-cmyk"."""
        plain = {f"{size:g}-plain": image for size, image in self.plain.items()}
        return plain | {f"{size:g}-{kind}": image for (size, kind), image in self.hard.items()}

    def sources(self) -> dict[str, Fault]:
        """Return what a source (tests/support/faults.py) sends for each name."""
        files = self.named.items()
        return {name: sends(with_length(b"%d" % len(file), file)) for name, file in files}

    def mixed(self, megapixels: float, count: int) -> list[bytes]:
        """Return `count` files, of each kind in turn."""
        return [self.hard[megapixels, KINDS[i % len(KINDS)]] for i in range(count)]


def make_images() -> Images:
    """Make all files, in some seconds."""
    is_real = all((_PHOTOS / name).exists() for name in _SOURCES.values())
    made_from = "photos, made smaller" if is_real else "the sample, enlarged, with grain"
    say(f"images: {made_from}")
    plain = {size: _jpeg(_photo(size, is_real)) for size in SIZES}
    hard = {
        (size, kind): file
        for size in HARD_SIZES
        for kind, file in _of_each_kind(_photo(size, is_real)).items()
    }
    return Images(made_from, plain, hard)


def size_of(image: bytes) -> tuple[int, int]:
    """Return the width and height as stored, in pixels."""
    with Image.open(io.BytesIO(image)) as opened:
        return opened.size


def _photo(megapixels: float, is_real: bool) -> Image.Image:
    """Return an upright RGB photo of so many megapixels."""
    if not is_real:
        return grainy(megapixels)
    name = next(name for limit, name in _SOURCES.items() if megapixels <= limit)
    with Image.open(_PHOTOS / name) as file:
        photo = ImageOps.exif_transpose(file).convert("RGB")
    scale = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    size = round(photo.width * scale), round(photo.height * scale)
    return photo.resize(size, Image.Resampling.LANCZOS)


def _of_each_kind(photo: Image.Image) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED
    files = (
        _jpeg(photo),
        _jpeg(photo.transpose(Image.Transpose.ROTATE_90), exif=exif),
        _jpeg(photo, icc_profile=adobe_rgb()),
        _jpeg(photo, progressive=True),
        _jpeg(photo.convert("CMYK")),
    )
    return dict(zip(KINDS, files, strict=True))


def _jpeg(image: Image.Image, **options: object) -> bytes:
    """Encode at quality 90 with 4:2:0, baseline unless `options` say otherwise."""
    return encoded(image, "JPEG", quality=90, subsampling="4:2:0", **options)
