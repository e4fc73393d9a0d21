"""What is compared, and with what: the images and their true mattes, and the ways to cut out."""

import functools
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rembg
from PIL import Image

from bench.floor import segmenter
from bench.quality.report import REMBG, SERVICE
from bench.quality.scores import Array
from bench.servers import rembg_home
from pipeline.engine import Slot
from pipeline.options import Options
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from tests.support.environment import DATA
from tests.support.images import encoded

MAX_PIXELS = 100_000_000  # the images are trusted
_SETS = [DATA / "groundtruth" / name for name in ("people", "products", "soft_alpha")]

# Returns the uncropped cutout of an RGB image, in mode RGBA.
Method = Callable[[Image.Image], Image.Image]


class Sample(NamedTuple):
    """An RGB image, and its true alpha: float (height, width), 0 to 1."""

    name: str
    image: Image.Image
    truth: Array


def sets(folders: Sequence[Path]) -> dict[str, list[Sample]]:
    """Read the sets within folders, or the default ones, by name. Exit if there is none.

    A set is a folder with `images/` and `masks/`, whose files have the same names.
    """
    places = (place for folder in folders or _SETS for place in sorted(folder.rglob("images")))
    found = {place.parent.name: list(_samples(place)) for place in places}
    if not found:
        raise SystemExit("quality: no folder with images/ and masks/ is there; name one")
    return found


def _samples(images: Path) -> Iterator[Sample]:
    for file in sorted(images.iterdir()):
        mask = next(images.with_name("masks").glob(f"{file.stem}.*"))
        truth = np.asarray(Image.open(mask).convert("L"), dtype=np.float64) / 255
        yield Sample(file.name, Image.open(file).convert("RGB"), truth)


def cutout(image: Image.Image, options: Options) -> Cutout:
    """Run the service's pipeline on an image, which reaches it without loss."""
    data, timer = encoded(image, compress_level=1), RequestTimer(deadline=float("inf"))
    return remove_background(data, options, Slot(segmenter()), MAX_PIXELS, timer)


def methods() -> dict[str, Method]:
    """Return all methods by name: the service's, and rembg in each of its ways."""

    def service(image: Image.Image, **options: Any) -> Image.Image:
        return Image.open(io.BytesIO(cutout(image, Options(crop=False, **options)).content))

    os.environ["U2NET_HOME"] = rembg_home()
    remove = functools.partial(rembg.remove, session=rembg.new_session("u2netp"))
    ways = ("post_process_mask", "decontaminate", "alpha_matting")
    return {
        SERVICE: service,
        f"{SERVICE}, edges=raw": functools.partial(service, edges="raw"),
        REMBG: remove,
        **{f"{REMBG}, {way}": functools.partial(remove, **{way: True}) for way in ways},
    }
