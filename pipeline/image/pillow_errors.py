"""Translates Pillow's exceptions into ours.

Wrap only calls into Pillow: an exception of our own code is a defect.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from pipeline.errors import BackgroundRemovalError, ImageCorrupt, ImageTooLarge, OutOfMemory


@contextmanager
def pillow_errors() -> Iterator[None]:
    """Raise ImageTooLarge, OutOfMemory or ImageCorrupt instead of Pillow's exceptions.

    On a damaged file, Pillow's decoders may raise any exception.
    """
    try:
        yield
    except BackgroundRemovalError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        raise ImageTooLarge(Image.MAX_IMAGE_PIXELS or 0) from exc
    except MemoryError as exc:
        raise OutOfMemory from exc
    except Exception as exc:
        raise ImageCorrupt from exc
