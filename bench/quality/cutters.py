"""What is compared: each takes an RGB picture and gives its cut-out in mode RGBA, uncropped."""

import functools
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bentoml
import rembg
from PIL import Image

from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.processors import available_processors
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from pipeline.weights.fetch import find_weights
from pipeline.weights.store import MODEL_FILE, MODEL_TAG

_MAX_PIXELS = 100_000_000  # the set is trusted

Cutter = Callable[[Image.Image], Image.Image]

OURS, OURS_RAW, THEIRS = "ours", "ours, edges=raw", "rembg"


@functools.cache
def _segmenter() -> U2netpSegmenter:
    return U2netpSegmenter(
        Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE, available_processors()
    )


def answer(picture: Image.Image, options: Options) -> Cutout:
    """The service's answer to a picture, which reaches it without loss."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return remove_background(
        file.getvalue(), options, _segmenter(), _MAX_PIXELS, RequestTimer(deadline=float("inf"))
    )


def _ours(options: Options, picture: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(answer(picture, options).content))


@contextmanager
def cutters() -> Iterator[dict[str, Cutter]]:
    """All of them, by name; rembg's weights are in a folder of their own while they are used."""
    with tempfile.TemporaryDirectory() as home:
        weights = Path(home) / "models" / "u2netp" / "u2netp.onnx"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(find_weights().content)
        os.environ["U2NET_HOME"] = home
        theirs = functools.partial(rembg.remove, session=rembg.new_session("u2netp"))
        yield {
            OURS: functools.partial(_ours, Options(crop=False)),
            OURS_RAW: functools.partial(_ours, Options(crop=False, edges="raw")),
            THEIRS: theirs,
            "rembg, post_process_mask": functools.partial(theirs, post_process_mask=True),
            "rembg, decontaminate": functools.partial(theirs, decontaminate=True),
            "rembg, alpha_matting": functools.partial(theirs, alpha_matting=True),
        }
