"""Pillow's private attributes, each found missing when it is."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import PIL
import pytest
from PIL import AvifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from compat import MovedError, pillow
from tests.support.images import encoded, quadrants

Jpeg = JpegImagePlugin.JpegImageFile
Tiff = TiffImagePlugin.TiffImageFile
Avif = AvifImagePlugin.AvifImageFile
SETUP = Tiff._setup


def opened(kind: str, **options: object) -> Image.Image:
    return Image.open(io.BytesIO(encoded(quadrants(), kind, **options)))


def test_the_locked_version_passes() -> None:
    pillow.check()


def without(plugin: Any, attribute: str, method: str) -> Callable[..., Any]:
    """Return a method of an image that removes one of its attributes afterwards."""
    original = getattr(plugin, method)

    def changed(self: Any, *arguments: Any) -> Any:
        result = original(self, *arguments)
        vars(self).pop(attribute, None)
        return result

    return changed


def renamed_codec(self: Any, *arguments: Any) -> None:
    SETUP(self, *arguments)
    self.tile = [tile._replace(codec_name="another") for tile in self.tile]


@pytest.mark.parametrize(
    ("owner", "name", "value", "what"),
    [
        (Jpeg, "_open", without(Jpeg, "layer", "_open"), "a JPEG's components"),
        (Tiff, "_open", without(Tiff, "tag_v2", "_open"), "a TIFF's tags"),
        (Tiff, "_setup", renamed_codec, "the name of a TIFF's decoder"),
        (Avif, "load", without(Avif, "_decoder", "load"), "an AVIF's decoder"),
        (ImageFile.ImageFile, "load", lambda _: None, "an AVIF's decoder"),
        (pillow, "_libwebp", object, "libwebp"),
        (PngImagePlugin, "MAX_TEXT_MEMORY", None, "the limit of a PNG's texts"),
    ],
)
def test_a_missing_api_is_named(
    owner: Any, name: str, value: Any, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, value)
    with pytest.raises(MovedError) as caught:
        pillow.check()
    assert str(caught.value).startswith(f"Pillow {PIL.__version__} ")
    assert f": {what}; " in str(caught.value)


@pytest.mark.parametrize(
    ("subsampling", "expected"),
    [("4:4:4", (1, 1)), ("4:2:2", (2, 1)), ("4:2:0", (2, 2))],
)
def test_the_components_of_a_jpeg(subsampling: str, expected: tuple[int, int]) -> None:
    components = pillow.jpeg_components(opened("JPEG", subsampling=subsampling))
    assert components == [(1, *expected), (2, 1, 1), (3, 1, 1)]


def test_the_tags_of_a_tiff() -> None:
    tags = pillow.tiff_tags(opened("TIFF", tiffinfo={270: "text"}))
    assert (tags[256], tags[257], tags[270]) == (40, 20, "text")


@pytest.mark.parametrize(("compression", "expected"), [(None, False), ("tiff_lzw", True)])
def test_libtiff_reads_compressed_tiffs_only(compression: str | None, expected: bool) -> None:
    assert pillow.is_read_by_libtiff(opened("TIFF", compression=compression)) == expected


def test_an_avif_without_its_decoder_keeps_its_pixels() -> None:
    image = opened("AVIF", speed=10)
    image.load()
    before = image.tobytes()
    pillow.drop_avif_decoder(image)
    assert "_decoder" not in vars(image)
    assert image.tobytes() == before
    pillow.drop_avif_decoder(quadrants())  # any other image


def test_the_texts_of_a_png_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 0)
    pillow.limit_png_text(1_000)
    for size in (900, 1_100):
        content = b"zTXtkey\0\0" + zlib.compress(bytes(size))
        text = (len(content) - 4).to_bytes(4, "big") + content
        data = encoded(quadrants())
        data = data[:33] + text + zlib.crc32(content).to_bytes(4, "big") + data[33:]
        if size < 1_000:
            Image.open(io.BytesIO(data)).load()
        else:
            with pytest.raises(ValueError, match="text"):
                Image.open(io.BytesIO(data)).load()


def test_a_webp_is_decoded_into_a_part_of_a_buffer() -> None:
    image = Image.new("RGB", (2, 1), (200, 30, 30))
    data = encoded(image, "WEBP", lossless=True)
    assert pillow.webp_size(data) == (2, 1)
    pixels = bytearray(4 * 3 * 2)  # 3 × 2 pixels
    assert pillow.decode_webp_into(data, pixels, start=4 * (3 + 1), stride=4 * 3)
    assert bytes(pixels) == bytes(4 * 4) + b"\xc8\x1e\x1e\xff" * 2


@pytest.mark.parametrize("data", [b"", b"RIFF", encoded(quadrants())])
def test_what_is_not_a_webp_has_no_size(data: bytes) -> None:
    assert pillow.webp_size(data) is None
    assert not pillow.decode_webp_into(data, bytearray(100), 0, 8)
