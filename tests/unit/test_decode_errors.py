"""Whose fault it is that an image cannot be decoded: the file's, the memory's or ours."""

import csv
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pipeline.errors import BackgroundRemovalError, ImageCorrupt, OutOfMemory
from pipeline.image.decode import decode
from tests.support.images import MAX_PIXELS, RED, encoded, quadrants


def test_a_defect_of_ours_is_not_called_corruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("a defect")

    transparent, deep = (
        encoded(quadrants(), transparency=RED),
        encoded(Image.new("F", (4, 4)), "TIFF"),
    )
    for name, data in (
        ("pipeline.image.decode.bytes_per_pixel", transparent),
        ("pipeline.image.decode.alpha_of", transparent),
        ("pipeline.image.color._alpha_of_key", transparent),
        ("pipeline.image.color._finite_extrema", deep),
        ("pipeline.image.source_image.SourceImage.materialize", transparent),
        ("pipeline.image.headers.avif.read_stream", encoded(quadrants(), "AVIF")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, fail)
            with pytest.raises(TypeError, match="a defect"):
                decode(data, MAX_PIXELS)


@pytest.mark.parametrize("error", [TypeError, ZeroDivisionError, struct.error, RuntimeError])
def test_whatever_pillow_raises_is_corruption(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, wide_gamut: bytes
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    keyed, managed = (
        encoded(quadrants(), transparency=RED),
        encoded(quadrants().convert("P"), icc_profile=wide_gamut),
    )
    for where, name, data in (
        (PngImagePlugin.PngImageFile, "_open", keyed),
        (PngImagePlugin.PngImageFile, "load", keyed),
        (Image.Image, "convert", keyed),
        (Image.Image, "crop", keyed),
        (ImageCms.ImageCmsTransform, "apply", managed),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, fail)
            with pytest.raises(ImageCorrupt):
                decode(data, MAX_PIXELS)


def test_a_jpeg_whose_components_have_no_samples() -> None:
    """Its samplings are what the price is divided by."""
    data = bytearray(encoded(quadrants(), "JPEG", progressive=True))
    at = data.index(b"\xff\xc2") + 11
    data[at] = data[at + 3] = data[at + 6] = 0
    with pytest.raises(ImageCorrupt):
        decode(bytes(data), MAX_PIXELS)


def test_a_large_image_that_cannot_be_converted_later_is_corrupt(
    monkeypatch: pytest.MonkeyPatch, wide_gamut: bytes
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("pipeline.image.source_image._SMALL_PIXELS", 0)
    picture = decode(encoded(quadrants().convert("P"), icc_profile=wide_gamut), MAX_PIXELS)
    monkeypatch.setattr(ImageCms.ImageCmsTransform, "apply", fail)
    with pytest.raises(ImageCorrupt):
        picture.rgb()


def test_memory_that_runs_out_is_not_called_corruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    data = encoded(quadrants())
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(OutOfMemory):
        decode(data, MAX_PIXELS)


def test_room_that_cannot_be_made_is_out_of_memory() -> None:
    def fail(_: int) -> None:
        raise MemoryError

    with pytest.raises(OutOfMemory):
        decode(encoded(quadrants()), MAX_PIXELS, fail)


def test_the_rows_of_the_corpus(data: Path) -> None:
    """The decoder's part of what the table expects of the service."""
    with (data / "corpus" / "index.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    wrong = []
    for row in rows:
        expected = {
            code if code not in ("-", "no_subject_found") else "ok"
            for code in row["expected_code"].split("|")
        }
        try:
            decode((data / "corpus" / row["path"]).read_bytes(), MAX_PIXELS)
            code = "ok"
        except BackgroundRemovalError as error:
            code = error.code
        if code not in expected:
            wrong.append((row["path"], expected, code))
    assert rows
    assert not wrong
