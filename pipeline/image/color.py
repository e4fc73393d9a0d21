"""Pillow's pixels -> 8-bit sRGB and an alpha channel, in strips."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pipeline.image.pillow_errors import pillow_errors
from pipeline.image.source_image import ToSRGB
from pipeline.image.strips import SERIAL, Strips

_SRGB = ImageCms.createProfile("sRGB")

# The color space of an ICC profile (ICC.1:2022, table 19) -> the Pillow mode it applies to.
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def alpha_of(image: Image.Image, strips: Strips = SERIAL) -> Image.Image | None:
    """Return the image's own alpha in mode L, or None if it is opaque. Raises ImageCorrupt."""
    key = image.info.pop("transparency", None)
    if image.mode.startswith("I;16"):
        if not isinstance(key, int):
            return None
        alpha = Image.fromarray((np.asarray(image) != key).view(np.uint8) * np.uint8(255))
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        with pillow_errors():
            alpha = image.getchannel("A" if image.mode in ("RGBA", "LA", "PA") else "a")
    elif key is not None and image.mode in ("1", "L", "P", "RGB"):
        if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
            # The color key of a 16-bit PNG: Pillow reduces the pixels to their high bytes, but not
            # the key (PNG 3rd edition, 11.3.1.1).
            key = tuple(sample >> 8 for sample in key)
        alpha = _alpha_of_key(image, key, strips)
    else:
        return None
    return None if alpha.getextrema()[0] == 255 else alpha


def _alpha_of_key(image: Image.Image, key: object, strips: Strips) -> Image.Image:
    """Apply Pillow's `transparency`: a color, a palette index, or the alpha of each index."""
    alpha = Image.new("L", image.size)

    def write_strip(top: int, bottom: int) -> None:
        with pillow_errors():
            strip = image.crop((0, top, image.width, bottom))
            strip.info["transparency"] = key
            channel = strip.convert("RGBA").getchannel("A")
        alpha.paste(channel, (0, top))

    strips.for_each(write_strip, image.height, image.width)
    return alpha


def prepare_srgb(
    image: Image.Image, strips: Strips = SERIAL, declared: bytes | None = None
) -> tuple[Image.Image, ToSRGB | None]:
    """Return the image to keep, at most 4 bytes per pixel, and how to convert a part to sRGB.

    `declared` is a profile of mode RGB that replaces the embedded one, for grayscale too; it is
    empty for sRGB. The conversion is None if the image is in sRGB already. Both this function and
    the conversion raise ImageCorrupt.
    """
    profile = image.info.get("icc_profile") if declared is None else declared
    if image.mode.startswith("I") or image.mode == "F":
        image = normalize(image, strips)
    elif image.mode in ("1", "LA", "La"):
        with pillow_errors():
            image = image.convert("L")
    mode = image.mode if image.mode in ("L", "CMYK", "LAB") and not declared else "RGB"
    transform = _profile_transform(profile, mode) if profile else None
    if transform is None and mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB")
    if image.mode == "RGB":
        if transform is not None:
            _convert_in_place(image, transform, strips)
        return image, None

    def to_srgb(part: Image.Image) -> Image.Image:
        with pillow_errors():
            if transform is None:
                return part.convert("RGB")
            return transform.apply(part if part.mode == mode else part.convert(mode))

    return image, to_srgb


def srgb_converter(profile: bytes | None) -> ToSRGB | None:
    """Return how to convert parts of mode RGB with a profile to sRGB; None if they are in sRGB.

    The conversion raises ImageCorrupt.
    """
    transform = _profile_transform(profile, "RGB") if profile else None
    if transform is None:
        return None

    def to_srgb(part: Image.Image) -> Image.Image:
        with pillow_errors():
            return transform.apply(part)

    return to_srgb


def normalize(image: Image.Image, strips: Strips = SERIAL) -> Image.Image:
    """Convert grayscale of more than 8 bits (modes I;16, I, F) to mode L.

    A 16-bit sample becomes floor(sample / 256). Modes I and F declare no range: with `least` and
    `greatest` the extrema of the finite samples, a sample becomes
    floor(255 · (sample − least) / (greatest − least)), or 0 if the extrema are equal. −∞ becomes 0,
    +∞ becomes 255, NaN becomes 0. Computed in 64 bits, where the difference of two 32-bit samples
    cannot overflow.
    """
    is_16_bit = image.mode.startswith("I;16")
    least, greatest = (0.0, 65_536.0) if is_16_bit else _finite_extrema(image, strips)
    scale = 256.0 if is_16_bit else 255.0
    gray = Image.new("L", image.size)

    def write_strip(top: int, bottom: int) -> None:
        samples = _samples(image, top, bottom)
        known = np.where(np.isnan(samples), samples.dtype.type(least), samples).astype(np.float64)
        if greatest > least:
            shares = (np.clip(known, least, greatest) - least) / (greatest - least)
            levels = np.floor(shares * scale).astype(np.uint8)
        else:
            levels = np.zeros(known.shape, np.uint8)
        gray.paste(Image.fromarray(levels), (0, top))

    strips.for_each(write_strip, image.height, image.width)
    return gray


def _finite_extrema(image: Image.Image, strips: Strips) -> tuple[float, float]:
    """Return the least and greatest finite sample, or 0 and 0 if there is none."""

    def extrema(top: int, bottom: int) -> list[float]:
        samples = _samples(image, top, bottom)
        finite = samples[np.isfinite(samples)]
        return [float(finite.min()), float(finite.max())] if finite.size else []

    found = [value for pair in strips.map(extrema, image.height, image.width) for value in pair]
    return min(found, default=0.0), max(found, default=0.0)


def _samples(image: Image.Image, top: int, bottom: int) -> NDArray[Any]:
    """Return rows `top` to `bottom` as stored: uint16, int32 or float32, (rows, width)."""
    with pillow_errors():
        return np.asarray(image.crop((0, top, image.width, bottom)))


def _profile_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile to sRGB for pixels of `mode`.

    Return None if the profile is broken, is for another color space, or is sRGB itself.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _PROFILE_MODES.get(source.profile.xcolor_space.strip()) != mode:
            return None
        transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):  # ImageCms, on a broken profile
        return None
    return None if mode == "RGB" and _is_identity(transform) else transform


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform keeps 17³ sample colors as they are. Most cameras embed sRGB itself."""
    levels = np.linspace(0, 255, 17).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(17, -1, 3)
    with pillow_errors():
        converted = transform.apply(Image.fromarray(cube))
    return np.array_equal(cube, np.asarray(converted))


def _convert_in_place(
    image: Image.Image, transform: ImageCms.ImageCmsTransform, strips: Strips
) -> None:
    def convert(top: int, bottom: int) -> None:
        with pillow_errors():
            converted = transform.apply(image.crop((0, top, image.width, bottom)))
        image.paste(converted, (0, top))

    strips.for_each(convert, image.height, image.width)
