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
from bench.quality.report import ONE_LOOK, RAW, RAW_ONCE, REMBG, SERVICE
from bench.quality.scores import Array, Region
from bench.servers import rembg_home
from pipeline.engine import Slot
from pipeline.options import Options
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from tests.support.environment import DATA
from tests.support.images import encoded

MAX_PIXELS = 100_000_000  # the images are trusted
_SETS = [DATA / "groundtruth"]

# The sets that are outlined by hand, pixel by pixel at best.
_COARSE = ("davis", "grabcut")

# The value of an unlabeled pixel, in a mask that has no other value but 0 and 255.
_UNLABELED = 128

# Returns the uncropped cutout of an RGB image, in mode RGBA.
Method = Callable[[Image.Image], Image.Image]


class Sample(NamedTuple):
    """An RGB image, its true alpha, float (height, width), 0 to 1, and where that is known.

    `known` is None if it is known everywhere. `has_colors` is whether the truth is exact enough to
    score the colors along its edge.
    """

    name: str
    image: Image.Image
    truth: Array
    known: Region | None
    has_colors: bool

    @property
    def share(self) -> float:
        """The subject's share of the image, of what is known."""
        subject = self.truth >= 0.5
        return float((subject if self.known is None else subject[self.known]).mean())


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
        truth, known = _read_truth(mask)
        has_colors = known is None and images.parent.name not in _COARSE
        yield Sample(file.name, Image.open(file).convert("RGB"), truth, known, has_colors)


def _read_truth(mask: Path) -> tuple[Array, Region | None]:
    """Read the true alpha and where it is known. 128 is unlabeled beside 0 and 255 alone."""
    values = np.asarray(Image.open(mask).convert("L"))
    truth = values.astype(np.float64) / 255
    is_trimap = set(np.unique(values)) <= {0, _UNLABELED, 255} and (values == _UNLABELED).any()
    return truth, values != _UNLABELED if is_trimap else None


def cutout(image: Image.Image, options: Options) -> Cutout:
    """Run the service's pipeline on an image, which reaches it without loss."""
    data, timer = encoded(image, compress_level=1), RequestTimer(deadline=float("inf"))
    return remove_background(data, options, Slot(segmenter()), MAX_PIXELS, timer)


def own_methods() -> dict[str, Method]:
    """Return the service's ways by name: refined and raw edges, with a second look and without."""

    def service(image: Image.Image, **options: Any) -> Image.Image:
        return Image.open(io.BytesIO(cutout(image, Options(crop=False, **options)).content))

    return {
        SERVICE: service,
        ONE_LOOK: functools.partial(service, passes=1),
        RAW: functools.partial(service, edges="raw", passes="auto"),
        RAW_ONCE: functools.partial(service, edges="raw"),
    }


def methods() -> dict[str, Method]:
    """Return all methods by name: the service's, and rembg in each of its ways."""
    os.environ["U2NET_HOME"] = rembg_home()
    remove = functools.partial(rembg.remove, session=rembg.new_session("u2netp"))
    ways = ("post_process_mask", "decontaminate", "alpha_matting")
    return {
        **own_methods(),
        REMBG: remove,
        **{f"{REMBG}, {way}": functools.partial(remove, **{way: True}) for way in ways},
    }
