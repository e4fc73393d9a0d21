"""The floor of a request: decode, one model run and encode, in a process that does nothing else.

The bench starts the process with `running`, and then has it run `prepare` and `run`.
"""

import functools
import io
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

STEPS = ("decode", "predict", "encode")

_steps: list[Callable[[], Any]] = []


def running() -> ProcessPoolExecutor:
    """Return the process, which ends with its `with` block."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def prepare(image: bytes, cutout: bytes) -> None:
    """Prepare what `run` must not pay for. `cutout` is the service's PNG of `image`."""
    from pipeline.image.png import write_png

    segmenter = _segmenter()
    model_image = _decode(image).resize(segmenter.input_size, Image.Resampling.LANCZOS)
    pixels = np.asarray(Image.open(io.BytesIO(cutout)).convert("RGBA"))
    height, width, channels = pixels.shape
    _steps[:] = (
        lambda: _decode(image),
        lambda: segmenter.predict(model_image),
        lambda: write_png(lambda top, end: pixels[top:end], width, height, channels),
    )


def run() -> dict[str, float]:
    """Return the seconds of each step."""
    times = [time.perf_counter()]
    for step in _steps:
        step()
        times.append(time.perf_counter())
    return {name: times[i + 1] - times[i] for i, name in enumerate(STEPS)}


def _decode(image: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert("RGB")


@functools.cache
def _segmenter() -> Any:
    import bentoml

    from pipeline.mask.u2netp import U2netpSegmenter
    from pipeline.processors import available_processors
    from pipeline.weights.store import MODEL_FILE, MODEL_TAG

    model = Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE
    return U2netpSegmenter(model, available_processors())
