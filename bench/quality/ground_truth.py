"""Images and their true mattes: folders with `images/` and `masks/`, files of the same names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from bench.quality.scores import Array
from tests.support.environment import DATA

_SETS = [DATA / "groundtruth" / name for name in ("people", "products", "soft_alpha")]


class Sample(NamedTuple):
    """An RGB image, and its true alpha: float (height, width), 0 to 1."""

    name: str
    image: Image.Image
    truth: Array


def sets(folders: Sequence[Path]) -> dict[str, Path]:
    """Find the sets within folders, or the default ones, by name. Exits if there is none."""
    places = (place for folder in folders or _SETS for place in sorted(folder.rglob("images")))
    found = {place.parent.name: place.parent for place in places}
    if not found:
        raise SystemExit("quality: no folder with images/ and masks/ is there; name one")
    return found


def samples(folder: Path) -> Iterator[Sample]:
    """Read the images of a set, one after another."""
    for file in sorted((folder / "images").iterdir()):
        mask = next((folder / "masks").glob(f"{file.stem}.*"))
        truth = np.asarray(Image.open(mask).convert("L"), dtype=np.float64) / 255
        yield Sample(file.name, Image.open(file).convert("RGB"), truth)
