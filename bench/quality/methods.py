"""What is compared: each method returns the uncropped cutout of an RGB image, in mode RGBA."""

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path

import bentoml
import rembg
from PIL import Image

from bench.servers import rembg_home
from pipeline.engine import Slot
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.processors import available_processors
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from tests.support.images import encoded

_MAX_PIXELS = 100_000_000  # the images are trusted

SERVICE, REMBG = "service", "rembg"

Method = Callable[[Image.Image], Image.Image]


@functools.cache
def segmenter() -> U2netpSegmenter:
    """Return the service's segmenter."""
    model = Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE
    return U2netpSegmenter(model, available_processors())


def cutout(image: Image.Image, options: Options) -> Cutout:
    """Run the service's pipeline on an image, which reaches it without loss."""
    data, timer = encoded(image, compress_level=1), RequestTimer(deadline=float("inf"))
    return remove_background(data, options, Slot(segmenter()), _MAX_PIXELS, timer)


def _service(options: Options, image: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(cutout(image, options).content))


def methods() -> dict[str, Method]:
    """Return all methods by name."""
    os.environ["U2NET_HOME"] = rembg_home()
    remove = functools.partial(rembg.remove, session=rembg.new_session("u2netp"))
    ways = ("post_process_mask", "decontaminate", "alpha_matting")
    return {
        SERVICE: functools.partial(_service, Options(crop=False)),
        f"{SERVICE}, edges=raw": functools.partial(_service, Options(crop=False, edges="raw")),
        REMBG: remove,
        **{f"{REMBG}, {way}": functools.partial(remove, **{way: True}) for way in ways},
    }
