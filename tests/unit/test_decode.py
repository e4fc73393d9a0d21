import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from pipeline.errors import EmptySource, ImageCorrupt, ImageTooLarge, UnsupportedImageType
from pipeline.image.decode import decode
from pipeline.image.formats import detect_format
from pipeline.image.strips import Strips
from tests.support.images import BLUE, MAX_PIXELS, RED, encoded, quadrants


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_accepted_type(kind: str) -> None:
    data = encoded(quadrants(), kind)
    assert detect_format(data) == kind
    picture = decode(data, MAX_PIXELS)
    assert picture.rgb().mode == "RGB"
    assert picture.size == (40, 20)
    assert picture.alpha is None
    assert np.abs(np.asarray(picture.rgb())[5, 5].astype(int) - RED).max() < 40


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA", "JPEG2000", "PDF", "DDS"])
def test_other_types_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedImageType):
        decode(encoded(quadrants(), kind), MAX_PIXELS)


@pytest.mark.parametrize(
    "data",
    [b"x", b"<svg/>", b"<!DOCTYPE html>", b"\0" * 100, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"],
)
def test_no_picture(data: bytes) -> None:
    with pytest.raises(UnsupportedImageType):
        decode(data, MAX_PIXELS)


def test_no_bytes() -> None:
    with pytest.raises(EmptySource):
        decode(b"", MAX_PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(quadrants(), kind, exif=exif)
    upright = quadrants()
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    decoded = np.asarray(decode(stored, MAX_PIXELS).rgb()).astype(int)
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).mean() < 12


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG"])
def test_the_pixel_limit_is_known_from_the_header(kind: str) -> None:
    data = encoded(quadrants(), kind)
    assert decode(data, 800).size == (40, 20)
    with pytest.raises(ImageTooLarge):
        decode(data, 799)


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_bomb_is_refused_before_its_canvas_is_made(kind: bytes) -> None:
    dimensions = {
        b"VP8X": b"\0" * 4 + (16382).to_bytes(3, "little") * 2,
        b"VP8L": b"\x2f" + struct.pack("<I", 16382 | 16382 << 14),
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383),
    }[kind]
    with pytest.raises(ImageTooLarge):
        decode(b"RIFF\x40\0\0\0WEBP" + kind + b"\x40\0\0\0" + dimensions + b"\0" * 40, MAX_PIXELS)
    with pytest.raises(ImageCorrupt):
        decode(b"RIFF\x40\0\0\0WEBP" + kind, MAX_PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_truncated_file_is_corrupt(kind: str, photo: bytes) -> None:
    whole = encoded(Image.open(io.BytesIO(photo)).resize((200, 200)), kind)
    with pytest.raises(ImageCorrupt):
        decode(whole[: len(whole) * 2 // 3], MAX_PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_modes(mode: str) -> None:
    grey = Image.linear_gradient("L").resize((64, 64))
    image = (
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        if mode == "I;16"
        else grey.convert(mode)
    )
    picture = decode(encoded(image), MAX_PIXELS)
    assert picture.rgb().mode == "RGB"
    difference = np.abs(
        np.asarray(picture.rgb().convert("L")).astype(int) - np.asarray(grey)
    ).mean()
    assert difference < (130 if mode == "1" else 4)


@pytest.mark.parametrize("mode", ["F", "I", "CMYK", "LAB", "YCbCr"])
def test_tiff_modes(mode: str) -> None:
    grey = Image.linear_gradient("L").resize((64, 64))
    if mode == "LAB":
        # libtiff's Lab holds a and b as signed numbers, Pillow's files likewise: neutral grey is 128 in memory.
        image = Image.merge(
            "LAB", [grey, Image.new("L", (64, 64), 128), Image.new("L", (64, 64), 128)]
        )
    else:
        image = (
            grey.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else grey.convert(mode)
        )
    picture = decode(encoded(image, "TIFF"), MAX_PIXELS)
    assert picture.rgb().mode == "RGB"
    assert picture.size == (64, 64)
    top, bottom = np.asarray(picture.rgb())[0].mean(), np.asarray(picture.rgb())[-1].mean()
    assert bottom - top > 150


def test_transparency_is_kept_and_opacity_dropped() -> None:
    ramp = Image.linear_gradient("L").resize((40, 20))
    image = quadrants()
    image.putalpha(ramp)
    for kind in ("PNG", "TIFF"):
        alpha = decode(encoded(image, kind), MAX_PIXELS).alpha
        assert alpha is not None
        assert np.array_equal(np.asarray(alpha), np.asarray(ramp))
    image.putalpha(255)
    assert decode(encoded(image), MAX_PIXELS).alpha is None


@pytest.mark.parametrize(
    ("mode", "key", "paint"), [("RGB", RED, RED), ("L", 76, RED), ("P", 0, None)]
)
def test_a_colour_key_is_transparency(mode: str, key: object, paint: object) -> None:
    image = quadrants().convert(mode)
    key = image.getpixel((0, 0)) if mode == "P" else key
    alpha = decode(encoded(image, transparency=key), MAX_PIXELS).alpha
    assert alpha is not None
    assert (alpha.getpixel((0, 0)), alpha.getpixel((39, 0))) == (0, 255)


def test_a_profile_is_converted_and_a_broken_one_ignored(data: Path) -> None:
    raw = Image.open(data / "awkward" / "pillow_xmp_test_icc.jpg")
    managed = np.asarray(
        decode((data / "awkward" / "pillow_xmp_test_icc.jpg").read_bytes(), MAX_PIXELS).rgb()
    ).astype(int)
    reference = ImageCms.profileToProfile(
        raw,
        ImageCms.ImageCmsProfile(io.BytesIO(raw.info["icc_profile"])),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    assert reference is not None
    assert np.abs(managed - np.asarray(reference)).max() <= 1


def test_a_large_picture_is_developed_as_a_small_one(
    wide_gamut: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By regions, with every orientation, profile and mode: the same pixels as developing the whole at once."""
    noise = np.random.default_rng(3).integers(0, 256, (300, 200, 4), dtype=np.uint8)
    box = (17, 40, 160, 111)
    for mode in ("RGB", "L", "CMYK", "RGBA", "P", "LAB", "I;16", "1"):
        image = Image.fromarray(noise[..., :3]).convert("RGBA" if mode == "RGBA" else "RGB")
        if mode == "LAB":
            image = Image.merge("LAB", image.split())
        elif mode == "I;16":
            image = Image.fromarray(noise[..., 0].astype(np.uint16) * 200)
        else:
            image = image.convert(mode)
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            profile = wide_gamut if mode in ("RGB", "RGBA", "P") else None
            kind = "JPEG" if mode == "CMYK" else "TIFF" if mode == "LAB" else "PNG"
            data = encoded(image, kind, exif=exif, icc_profile=profile)
            small = decode(data, MAX_PIXELS)
            with monkeypatch.context() as patch:
                patch.setattr("pipeline.image.source_image._SMALL_PIXELS", 0)
                patch.setattr("pipeline.image.strips._STRIP_PIXELS", 5000)
                large = decode(data, MAX_PIXELS, strips=Strips(2))
                assert large.size == small.size
                assert np.array_equal(np.asarray(large.rgb()), np.asarray(small.rgb())), (
                    mode,
                    orientation,
                )
                assert np.array_equal(
                    np.asarray(large.rgb(box)), np.asarray(small.rgb())[40:111, 17:160]
                ), (mode, orientation)
                reduced = np.asarray(large.reduced((32, 32)))
            assert np.abs(reduced.astype(int) - np.asarray(small.reduced((32, 32)))).max() <= 4, (
                mode,
                orientation,
            )


def test_a_profile_that_changes_nothing_is_not_applied(wide_gamut: bytes) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (
        decode(encoded(quadrants(), icc_profile=srgb), MAX_PIXELS).rgb().tobytes()
        == quadrants().tobytes()
    )
    muted = quadrants().point(lambda sample: 60 + sample // 2)  # inside sRGB, whatever the profile
    managed = decode(encoded(muted, icc_profile=wide_gamut), MAX_PIXELS).rgb()
    reference = ImageCms.profileToProfile(
        muted,
        ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut)),
        ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )
    assert reference is not None
    assert managed.tobytes() == reference.tobytes() != muted.tobytes()


HEAVY = [
    ("JPEG", "RGB", {}, 4),
    ("JPEG", "RGB", {"progressive": True, "subsampling": "4:2:0"}, 7),
    ("JPEG", "RGB", {"progressive": True, "subsampling": "4:4:4"}, 10),
    ("JPEG", "CMYK", {"progressive": True, "subsampling": "4:4:4"}, 12),
    ("JPEG", "L", {"progressive": True}, 6),
    ("PNG", "RGBA", {}, 4),
    ("WEBP", "RGB", {}, 8),
    ("AVIF", "RGB", {"subsampling": "4:2:0"}, 9.5),
    ("AVIF", "RGB", {"subsampling": "4:4:4"}, 11),
    ("AVIF", "RGBA", {"subsampling": "4:4:4"}, 12),
    ("TIFF", "RGB", {}, 4),
    ("TIFF", "RGB", {"compression": "tiff_lzw", "tiffinfo": {278: 200}}, 7),
    ("TIFF", "RGB", {"compression": "tiff_lzw", "tiffinfo": {278: 20}}, 4.3),
]


@pytest.mark.parametrize(("kind", "mode", "options", "bytes_a_pixel"), HEAVY)
def test_memory_is_known_from_the_header(
    kind: str, mode: str, options: dict[str, Any], bytes_a_pixel: float
) -> None:
    """Room is made before a pixel is decoded, and what takes more than 10 bytes a pixel may have fewer pixels."""
    image = quadrants().resize((400, 200)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = encoded(image, kind, **options)
    asked: list[int] = []
    decode(data, MAX_PIXELS, asked.append)
    assert asked == [80_000 * bytes_a_pixel]
    least = int(80_000 * max(1, bytes_a_pixel / 10)) + 1
    assert decode(data, least).size == (400, 200)
    with pytest.raises(ImageTooLarge):
        decode(data, int(least * 0.97))


def test_a_broken_profile_is_ignored() -> None:
    plain = decode(encoded(quadrants()), MAX_PIXELS)
    for profile in (
        b"no profile",
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()[:300],
    ):
        picture = decode(encoded(quadrants(), icc_profile=profile), MAX_PIXELS)
        assert picture.rgb().tobytes() == plain.rgb().tobytes()


def test_the_first_frame_counts() -> None:
    frames = [quadrants(), Image.new("RGB", (40, 20), BLUE)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(np.asarray(decode(data, MAX_PIXELS).rgb())[5, 5].astype(int) - RED).max() < 40


def test_a_png_with_a_broken_animation_is_still_a_picture() -> None:
    animated = encoded(quadrants(), save_all=True, append_images=[Image.new("RGB", (40, 20), BLUE)])
    broken = animated.replace(b"fcTL", b"fcTL"[:3] + b"X")
    assert decode(animated, MAX_PIXELS).rgb().tobytes() == quadrants().tobytes()
    with pytest.raises(
        ImageCorrupt
    ):  # an unknown critical-looking chunk with a wrong checksum is another matter
        decode(broken[:60], MAX_PIXELS)
