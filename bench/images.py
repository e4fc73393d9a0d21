"""The JPEG files that both servers get.

They are photos of TEST_DATA if it is there, and the project's sample otherwise, enlarged and with
grain so that it compresses like a photo.
"""

from PIL import Image, ImageOps

from bench.report import say
from tests.support.environment import DATA
from tests.support.icc import adobe_rgb
from tests.support.images import encoded, grainy

_PHOTOS = DATA / "photos" / "large"
# The photo for up to so many megapixels: none is enlarged by more than a hair.
_SOURCES = {
    6.1: "sharp_2569067123_6MP.jpg",
    12.2: "dog_12MP_exif6.jpg",
    24.1: "craft-beer_24MP.jpg",
}

_ARE_REAL = all((_PHOTOS / name).exists() for name in _SOURCES.values())
MADE_FROM = "photos, made smaller" if _ARE_REAL else "the sample, enlarged, with grain"

# Megapixels: of plain images, and of those in each kind of JPEG.
SIZES, HARD_SIZES = (0.24, 0.67, 1.6, 6, 10.7, 24), (12, 24)
KINDS = ("plain", "rotated", "profile", "progressive", "cmyk")

# EXIF 2.3: stored a quarter turn to the left of upright, as phones do.
_ORIENTATION, _TURNED = 0x0112, 6


def make_images() -> dict[str, bytes]:
    """Make all files, in some seconds, by megapixels and kind, such as 0.24-plain and 12-cmyk."""
    say(f"images: {MADE_FROM}")
    images = {f"{size:g}-plain": _jpeg(_photo(size)) for size in SIZES}
    for size in HARD_SIZES:
        images |= {f"{size:g}-{kind}": file for kind, file in _of_each_kind(_photo(size)).items()}
    return images


def _photo(megapixels: float) -> Image.Image:
    """Return an upright RGB photo of so many megapixels."""
    if not _ARE_REAL:
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
    return {
        "plain": _jpeg(photo),
        "rotated": _jpeg(photo.transpose(Image.Transpose.ROTATE_90), exif=exif),
        "profile": _jpeg(photo, icc_profile=adobe_rgb()),
        "progressive": _jpeg(photo, progressive=True),
        "cmyk": _jpeg(photo.convert("CMYK")),
    }


def _jpeg(image: Image.Image, **options: object) -> bytes:
    """Encode at quality 90 with 4:2:0, baseline unless `options` say otherwise."""
    return encoded(image, "JPEG", quality=90, subsampling="4:2:0", **options)
