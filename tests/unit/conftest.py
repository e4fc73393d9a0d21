"""Fixtures of tests without a server."""

from collections.abc import Iterator

import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _pillow_limit() -> Iterator[None]:
    """Restore Pillow's own limit of pixels, which `decode` sets for the process."""
    limit = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = limit
