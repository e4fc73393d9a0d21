"""`python -m bench.quality.constants [FOLDER ...]`: how sensitive the refined edges are.

Changes one constant of pipeline/mask/refine.py after another, and prints the mean absolute error
of alpha, relative to that of the chosen value, as a table: the mean over the sets.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from bench.quality.ground_truth import Sample, samples, sets
from bench.quality.methods import segmenter
from bench.quality.scores import Array
from bench.report import say, table
from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.image.source_image import SourceImage
from pipeline.mask import refine
from pipeline.mask.components import Subject, select_subject
from pipeline.mask.matte import Matte
from tests.support.images import encoded

_FACTORS, _SHIFTS = (0.5, 0.75, 1.0, 1.33, 2.0), (-0.1, -0.05, 0.0, 0.05, 0.1)
# Thresholds of the mask, 0 to 1, are shifted; other constants are multiplied.
_SHIFTED = ("_MIN_FOREGROUND", "_MAX_BACKGROUND")
_MAX_PIXELS = 100_000_000


# What comes before the refinement, which the constants do not change, and the true alpha.
Segmented = tuple[SourceImage, Image.Image, Subject, Array]


def main(folders: list[Path]) -> None:
    """Print the table."""
    segmented = {
        name: [_segment(sample) for sample in samples(folder)]
        for name, folder in sets(folders).items()
    }
    chosen = _errors(segmented)
    say(f"constants: mean absolute error {dict(zip(segmented, chosen, strict=True))}")
    rows = []
    for name, values in _variations():
        row = [f"`{name}` = {getattr(refine, name):.4g}"]
        for value in values:
            with patch.object(refine, name, value):
                change = float(np.mean(_errors(segmented) / chosen)) - 1
            row.append(f"{change:+.1%} ({value:.3g})")
        say(" | ".join(row))
        rows.append(row)
    changes = zip(_FACTORS, _SHIFTS, strict=True)
    header = (f"× {factor:g}, or {shift:+g} for thresholds" for factor, shift in changes)
    print(table(" | ".join(("constant", *header)), rows))


def _variations() -> Iterator[tuple[str, list[float]]]:
    """Yield each float constant of the module, and its values."""
    for name, chosen in list(vars(refine).items()):
        if name in _SHIFTED:
            yield name, [chosen + shift for shift in _SHIFTS]
        elif isinstance(chosen, float) and not isinstance(chosen, np.floating):
            yield name, [chosen * factor for factor in _FACTORS]


def _segment(sample: Sample) -> Segmented:
    image = decode(encoded(sample.image, compress_level=1), _MAX_PIXELS)
    model_image = image.reduced(segmenter().input_size)
    prediction = segmenter().predict(model_image)
    subject = select_subject(prediction, np.asarray(model_image), None, "largest")
    return image, model_image, subject, sample.truth


def _errors(segmented: dict[str, list[Segmented]]) -> Array:
    """Return the mean absolute error of alpha for each set."""
    return np.array([np.mean([_error(one) for one in of_set]) for of_set in segmented.values()])


def _error(segmented: Segmented) -> float:
    image, model_image, subject, truth = segmented
    colors = refine.fit_local_colors(subject.mask, model_image, image.size)
    alpha = Matte(subject.mask, image, colors).render(Box(0, 0, *image.size))
    return float(np.abs(alpha / 255 - truth).mean())


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
