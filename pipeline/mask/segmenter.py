"""The interface of every model: a small image in, a soft mask out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Prediction:
    """A model's output.

    `mask` is uint8 of shape (height, width), the model's size (320 × 320 for u2netp): 0 is
    background, 255 is foreground, normalized so that the least and the most salient cell are 0 and
    255. `peak` is the highest probability before that normalization, 0 to 1, or None if the model
    does not report one.
    """

    mask: NDArray[np.uint8]
    peak: float | None


class Segmenter(Protocol):
    """A loaded model. It makes one prediction at a time."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the images that the model takes, in pixels."""

    def predict(self, model_image: Image.Image) -> Prediction:
        """Segment an RGB image of `input_size`. Raises OutOfMemory."""

    def release_memory(self) -> None:
        """Free the memory that is kept for the next inference, which allocates it again."""


def load_segmenter(model: str, model_file: Path, threads: int) -> Segmenter:
    """Load `model`: `u2netp` from the prepared `model_file`, or `rembg:<name>`.

    `threads` work on one inference. Raises StartupError.
    """
    if model.startswith("rembg:"):
        from pipeline.mask.rembg import RembgSegmenter

        return RembgSegmenter(model.removeprefix("rembg:"))
    from pipeline.mask.u2netp import U2netpSegmenter

    return U2netpSegmenter(model_file, threads)
