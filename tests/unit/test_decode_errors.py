"""What is to blame if an image cannot be decoded: the file, the memory, or a defect of ours."""

import csv
import struct
from pathlib import Path
from typing import NoReturn

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pipeline.errors import BackgroundRemovalError, ImageCorrupt, OutOfMemory
from pipeline.image.decode import decode
from tests.support.images import MAX_PIXELS, RED, encoded, quadrants

PLAIN = encoded(quadrants())
TRANSPARENT = encoded(quadrants(), transparency=RED)
DEEP = encoded(Image.new("F", (4, 4)), "TIFF")
AVIF = encoded(quadrants(), "AVIF")


@pytest.mark.parametrize(
    ("function", "data"),
    [
        ("pipeline.image.decode.price_of", TRANSPARENT),
        ("pipeline.image.decode.alpha_of", TRANSPARENT),
        ("pipeline.image.color._alpha_of_key", TRANSPARENT),
        ("pipeline.image.color._finite_extrema", DEEP),
        ("pipeline.image.source_image.SourceImage.materialize", TRANSPARENT),
        ("pipeline.image.headers.avif.read_stream", AVIF),
    ],
)
def test_a_defect_of_ours_is_not_reported_as_corruption(
    function: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr(function, fail)
    with pytest.raises(TypeError, match="a defect"):
        decode(data, MAX_PIXELS)


@pytest.mark.parametrize("error", [TypeError, ZeroDivisionError, struct.error, RuntimeError])
@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (PngImagePlugin.PngImageFile, "_open"),
        (PngImagePlugin.PngImageFile, "load"),
        (Image.Image, "convert"),
        (Image.Image, "crop"),
        (ImageCms.ImageCmsTransform, "apply"),
    ],
)
def test_an_exception_of_pillow_is_corruption(
    owner: type,
    method: str,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    wide_gamut: bytes,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    managed = encoded(quadrants().convert("P"), icc_profile=wide_gamut)
    monkeypatch.setattr(owner, method, fail)
    with pytest.raises(ImageCorrupt):
        decode(managed if method == "apply" else TRANSPARENT, MAX_PIXELS)


def test_a_jpeg_whose_components_have_no_samples_is_corrupt() -> None:
    """The price per pixel is divided by their samplings."""
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
    image = decode(encoded(quadrants().convert("P"), icc_profile=wide_gamut), MAX_PIXELS)
    monkeypatch.setattr(ImageCms.ImageCmsTransform, "apply", fail)
    with pytest.raises(ImageCorrupt):
        image.rgb()


def test_memory_that_runs_out_is_not_reported_as_corruption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> NoReturn:
        raise MemoryError

    with pytest.raises(OutOfMemory):
        decode(PLAIN, MAX_PIXELS, claim=fail)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(OutOfMemory):
        decode(PLAIN, MAX_PIXELS)


def test_every_file_of_the_corpus_has_its_code(data: Path) -> None:
    """A file whose subject is not found is decoded all the same."""
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
