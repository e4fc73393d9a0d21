"""Scores of many images, by set and by the size of the subject, with intervals."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.report import table

# The scores of masks, which also images without true colors have, and whether more is better.
SCORES = {"mae": ("MAE ↓", False), "iou": ("IoU ↑", True), "boundary": ("boundary F ↑", True)}

# The sizes of subjects, as shares of the image that the truth covers: from, and to.
SIZES = {
    "under 10 % of the image": (0, 0.1),
    "10 to 30 %": (0.1, 0.3),
    "over 30 %": (0.3, 1.01),
    "under a quarter": (0, 0.25),
}
_RESAMPLES = 5000

# The scores of an image: its set, its subject's share, and each score by method.
Scored = dict[str, Any]
Interval = tuple[float, float, float]


def interval(values: Sequence[float]) -> Interval:
    """Return the mean, and the ends of its 95 % interval, by bootstrap over the images.

    The percentile method (Efron, 1979): images are drawn with replacement 5,000 times, always in
    the same way, and the interval has the middle 95 % of the means.
    """
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values)[drawn].mean(axis=1), [2.5, 97.5])
    return float(np.mean(values)), float(low), float(high)


def gain(images: Iterable[Scored], score: str, method: str, other: str) -> Interval:
    """Return by how much a method scores above another one on the same images."""
    return interval([one["scores"][method][score] - one["scores"][other][score] for one in images])


def groups(images: Sequence[Scored]) -> dict[str, list[Scored]]:
    """Return the images of each set, then those of each size. No group is empty."""
    found: dict[str, list[Scored]] = {}
    for one in images:
        found.setdefault(one["set"], []).append(one)
    for size, (least, most) in SIZES.items():
        of_size = [one for one in images if least <= one["share"] < most]
        if of_size:
            found[size] = of_size
    return found


def gains(images: Sequence[Scored], methods: Iterable[str], other: str) -> str:
    """Write a table: what each method gains over another one, for each set and size."""
    titles = " | ".join(title for title, _ in SCORES.values())
    rows: list[Sequence[str]] = []
    for group, members in groups(images).items():
        means = (_mean(members, score, other) for score in SCORES)
        rows.append((group, str(len(members)), other, *means))
        for method in methods:
            differences = (_difference(members, score, method, other) for score in SCORES)
            rows.append(("", "", method, *differences))
    return table(f" | images |  | {titles}", rows)


def _mean(images: Iterable[Scored], score: str, method: str) -> str:
    return f"{np.mean([one['scores'][method][score] for one in images]):.4f}"


def _difference(images: Sequence[Scored], score: str, method: str, other: str) -> str:
    """Write a gain with its interval, in bold if 0 is not in it."""
    mean, low, high = gain(images, score, method, other)
    shown = f"{mean:+.4f}"
    return f"{f'**{shown}**' if low > 0 or high < 0 else shown} ({low:+.4f} to {high:+.4f})"
