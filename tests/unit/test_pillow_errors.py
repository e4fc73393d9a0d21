"""Pillow's exceptions become the contract's errors."""

import struct

import pytest
from PIL import Image, UnidentifiedImageError

from pipeline.errors import BackgroundRemovalError, ImageCorrupt, ImageTooLarge, OutOfMemory
from pipeline.image.pillow_errors import pillow_errors
from tests.support.images import MAX_PIXELS


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (UnidentifiedImageError("?"), ImageCorrupt),
        (OSError("truncated"), ImageCorrupt),
        (SyntaxError("broken PNG"), ImageCorrupt),
        (struct.error(), ImageCorrupt),
        (ZeroDivisionError(), ImageCorrupt),
        (RuntimeError(), ImageCorrupt),
        (MemoryError(), OutOfMemory),
        (Image.DecompressionBombError(), ImageTooLarge),
        (Image.DecompressionBombWarning(), ImageTooLarge),
    ],
)
def test_an_exception_has_its_error(
    raised: Exception, expected: type[BackgroundRemovalError]
) -> None:
    with pytest.raises(expected) as caught, pillow_errors():
        raise raised
    assert caught.value.__cause__ is raised


def test_an_error_of_the_contract_passes() -> None:
    error = ImageTooLarge(65_535, "pixels on a side")
    with pytest.raises(ImageTooLarge) as caught, pillow_errors():
        raise error
    assert caught.value is error


def test_the_limit_that_pillow_checks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", MAX_PIXELS)
    with pytest.raises(ImageTooLarge, match=f"{MAX_PIXELS:,} pixels"), pillow_errors():
        raise Image.DecompressionBombError


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_passes(raised: type[BaseException]) -> None:
    with pytest.raises(raised), pillow_errors():
        raise raised
