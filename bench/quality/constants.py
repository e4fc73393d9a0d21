"""`python -m bench.quality.constants [FOLDER ...]`: how sensitive the refined edges are.

Changes one constant of pipeline/mask/local_colors.py and refine.py after another, and prints the
mean absolute error of alpha, relative to that of the chosen value, as a table: the mean over the
sets.
"""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from bench.floor import segmenter
from bench.quality.methods import MAX_PIXELS, Sample, sets
from bench.quality.scores import Array
from bench.report import say, table
from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.image.source_image import SourceImage
from pipeline.mask import local_colors, refine
from pipeline.mask.components import Subject, select_subject
from pipeline.mask.matte import Matte
from tests.support.images import encoded

_FACTORS, _SHIFTS = (0.5, 0.75, 1.0, 1.33, 2.0), (-0.1, -0.05, 0.0, 0.05, 0.1)
# Thresholds of the mask, 0 to 1, are shifted; other constants are multiplied.
_SHIFTED = ("_MIN_FOREGROUND", "_MAX_BACKGROUND")

# What comes before the refinement, which the constants do not change, and the true alpha.
Segmented = tuple[SourceImage, Image.Image, Subject, Array]


def main(folders: list[Path]) -> None:
    """Print the table."""
    segmented = [[_segment(sample) for sample in samples] for samples in sets(folders).values()]
    chosen = _errors(segmented)
    say(f"constants: mean absolute error by set {chosen}")
    rows = []
    constants = [
        (module, *one) for module in (local_colors, refine) for one in vars(module).items()
    ]
    for module, name, value in constants:
        if not isinstance(value, float):
            continue
        row = [f"`{name}` = {value:.4g}"]
        for factor, shift in zip(_FACTORS, _SHIFTS, strict=True):
            changed = value + shift if name in _SHIFTED else value * factor
            with patch.object(module, name, changed):
                change = float(np.mean(_errors(segmented) / chosen)) - 1
            row.append(f"{change:+.1%} ({changed:.3g})")
        say(" | ".join(row))
        rows.append(row)
    changes = zip(_FACTORS, _SHIFTS, strict=True)
    header = (f"× {factor:g}, or {shift:+g} for thresholds" for factor, shift in changes)
    print(table(" | ".join(("constant", *header)), rows))


def _segment(sample: Sample) -> Segmented:
    image = decode(encoded(sample.image, compress_level=1), MAX_PIXELS)
    model_image = image.reduced(segmenter().input_size)
    prediction = segmenter().predict(model_image)
    subject = select_subject(prediction, np.asarray(model_image), None, "largest")
    return image, model_image, subject, sample.truth


def _errors(segmented: list[list[Segmented]]) -> Array:
    """Return the mean absolute error of alpha for each set."""
    return np.array([np.mean([_error(*one) for one in of_set]) for of_set in segmented])


def _error(image: SourceImage, model_image: Image.Image, subject: Subject, truth: Array) -> float:
    colors = local_colors.fit_local_colors(subject.mask, model_image, Box(0, 0, *image.size))
    alpha = Matte(subject.mask, image, colors).render(Box(0, 0, *image.size))
    return float(np.abs(alpha / 255 - truth).mean())


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
