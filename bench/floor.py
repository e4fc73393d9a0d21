"""The floor of a request: decode, one model run and encode, in a process that does nothing else.

The bench runs `run` in a process of its own.
"""

import functools
import io
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import bentoml
import numpy as np
from PIL import Image, ImageOps

from pipeline.image.png import write_png
from pipeline.mask.segmenter import Segmenter, load_segmenter
from pipeline.processors import available_processors
from pipeline.weights.store import MODEL_FILE, MODEL_TAG

T = TypeVar("T")

STEPS = ("decode", "predict", "encode")


def run(image: bytes, cutout: bytes) -> dict[str, float]:
    """Return the seconds of each step. `cutout` is the service's PNG of `image`."""
    steps = _prepare(image, cutout)
    times = [time.perf_counter()]
    for step in steps:
        step()
        times.append(time.perf_counter())
    return {name: times[i + 1] - times[i] for i, name in enumerate(STEPS)}


def predict(image: bytes, count: int) -> float:
    """Return the seconds of `count` model runs, one after another, after one more."""
    _, step, _ = _prepare(image, image)
    step()
    started = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - started


def in_a_process(work: Callable[..., T], *arguments: object) -> T:
    """Call `work` in a process of its own, which ends then."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


@functools.lru_cache(1)
def _prepare(image: bytes, cutout: bytes) -> tuple[Callable[[], Any], ...]:
    """Return the steps, once for each image, with what none of them must pay for."""
    model_image = _decode(image).resize(segmenter().input_size, Image.Resampling.LANCZOS)
    pixels = np.asarray(Image.open(io.BytesIO(cutout)).convert("RGBA"))
    height, width, channels = pixels.shape
    return (
        lambda: _decode(image),
        lambda: segmenter().predict(model_image),
        lambda: write_png(lambda top, end: pixels[top:end], width, height, channels),
    )


def _decode(image: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert("RGB")


@functools.cache
def segmenter() -> Segmenter:
    """Return the service's segmenter, with its default of threads."""
    model = Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE
    return load_segmenter("u2netp", model, available_processors())
