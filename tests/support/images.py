"""Images that tests make, and the reference mask."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.image.strips import SERIAL, Strips
from pipeline.weights import SAMPLE

# The default of BGR_MAX_PIXELS.
MAX_PIXELS = 50_000_000

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

_RANDOM = np.random.default_rng(5)

# Images without a subject.
FEATURELESS = {
    "black": np.zeros((300, 400, 3)),
    "gray": np.full((300, 400, 3), 128),
    "red": np.full((300, 400, 3), (255, 0, 0)),
    "noise": _RANDOM.integers(0, 256, (300, 400, 3)),
    "faint noise": _RANDOM.normal(128, 4, (300, 400, 3)).clip(0, 255),
    "gray noise": np.repeat(_RANDOM.integers(0, 256, (900, 700, 1)), 3, axis=2),
}


def quadrants() -> Image.Image:
    """40 × 20 pixels: red and green above blue and white. Each orientation looks different."""
    image = Image.new("RGB", (40, 20))
    for at, color in (((0, 0), RED), ((20, 0), GREEN), ((0, 10), BLUE), ((20, 10), WHITE)):
        image.paste(color, (*at, at[0] + 20, at[1] + 10))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Encode `image` in one of Pillow's formats."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def cutout_of(response: httpx.Response) -> Image.Image:
    """Decode the image of a response, which must have one."""
    assert response.status_code == 200, response.text
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


def records_into(claims: list[int]) -> Callable[[int], Strips]:
    """Return what `decode` takes as `claim`: it notes the memory that is claimed."""

    def claim(needed: int) -> Strips:
        claims.append(needed)
        return SERIAL

    return claim


def grainy(megapixels: float) -> Image.Image:
    """Enlarge the sample and add grain: it cuts out and compresses like a photo of that size."""
    side = round((megapixels * 1e6) ** 0.5)
    enlarged = Image.open(SAMPLE).resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(enlarged).astype(np.int16)
    grain = np.random.default_rng(7).integers(-6, 7, (side, side, 1), dtype=np.int16)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def rembg_mask(session: Any, image: Image.Image) -> NDArray[np.int_]:
    """Return the result of `rembg.remove(only_mask=True)`: (height, width), 0 to 255."""
    import rembg

    return np.asarray(rembg.remove(image, session=session, only_mask=True)).astype(int)


def model_image_of(content: bytes) -> Image.Image:
    """Decode an image and reduce it to the size of u2netp's input, as rembg does."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    return image.resize((320, 320), Image.Resampling.LANCZOS)


def reference_images(folder: Path) -> list[Path]:
    """Return the images whose masks by rembg and by the model's authors are known."""
    files = [
        *(folder / "rembg_golden" / "inputs").iterdir(),
        *(folder / "u2netp_official" / "images").iterdir(),
    ]
    assert len(files) > 10
    return sorted(files)
