"""`python -m bench.quality`: score the service and rembg on true mattes.

Writes quality.json, quality.md, and two contact sheets: quality.png with the images that may be
published, and small.png with the small subjects.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image
from pymatting import estimate_foreground_ml

from bench.quality.intervals import SCORES, Scored
from bench.quality.methods import Sample, cutout, methods, own_methods, sets
from bench.quality.report import ONE_LOOK, RAW_ONCE, REMBG, SERVICE, report
from bench.quality.scores import score, score_mask
from bench.quality.sheet import row, sheet
from bench.report import RESULTS, Figures, Samples, described, record, say, write
from pipeline.options import Options

_SHOWN = (SERVICE, REMBG, f"{REMBG}, decontaminate")
_SHOWN_IF_SMALL = (SERVICE, ONE_LOOK, RAW_ONCE)

# The sets whose licenses allow to show them.
_FREE = ("people", "products", "soft_alpha")
_SMALL = 0.1


def main() -> None:
    """Score every image of every set with every method."""
    parser = argparse.ArgumentParser("python -m bench.quality", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="sets, or folders of sets")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    results, sheets = _measure(sets(options.folders))
    write(options.results, "quality", results, report(results))
    for name, rows in sheets.items():
        sheet(rows).quantize(256).save(options.results / f"{name}.png", optimize=True)


def _measure(found: dict[str, list[Sample]]) -> tuple[Figures, dict[str, list[Image.Image]]]:
    """Return the results, and the rows of the contact sheets by their names."""
    images: list[Scored] = []
    means: Figures = {}
    rows: dict[str, list[Image.Image]] = {}
    by_name, own = methods(), own_methods()
    for name, samples in found.items():
        scores: Samples = {}
        for sample in samples:
            compared = by_name if sample.has_colors else own
            cutouts = {
                method: cut(sample.image).convert("RGBA") for method, cut in compared.items()
            }
            of_image = _score(sample, cutouts)
            for method, values in of_image.items():
                record(scores, name, method, **values)
            images.append(_described(name, sample, of_image))
            if name in _FREE:
                shown = {method: cutouts[method] for method in _SHOWN}
                rows.setdefault("quality", []).append(row(sample, shown))
            if sample.share < _SMALL:
                shown = {method: cutouts[method] for method in _SHOWN_IF_SMALL}
                rows.setdefault("small", []).append(row(sample, shown))
            say(f"quality: {name}/{sample.name}: IoU {of_image[SERVICE]['iou']:.3f}")
        means[name] = {
            method: {key: mean(values) for key, values in of.items()}
            for method, of in scores[name].items()
        }
    about = {
        name: {
            "images": len(samples),
            "megapixels": mean(np.prod(sample.image.size) / 1e6 for sample in samples),
        }
        for name, samples in found.items()
    }
    return described() | {"sets": about, "means": means, "images": images}, rows


def _score(sample: Sample, cutouts: Mapping[str, Image.Image]) -> dict[str, dict[str, float]]:
    """Return the scores of each method: of the mask, and of the colors if the truth has them."""
    pixels = {method: np.asarray(one) / 255 for method, one in cutouts.items()}
    if not sample.has_colors:
        return {
            method: score_mask(one[..., 3], sample.truth, sample.known)
            for method, one in pixels.items()
        }
    colors = estimate_foreground_ml(np.asarray(sample.image) / 255, sample.truth)
    return {method: score(one, sample.truth, colors) for method, one in pixels.items()}


def _described(name: str, sample: Sample, scores: dict[str, dict[str, float]]) -> Scored:
    """Return what the intervals need to know of an image."""
    confidence = cutout(sample.image, Options()).confidence
    assert confidence is not None
    own = {
        method: {key: round(values[key], 5) for key in SCORES}
        for method, values in scores.items()
        if method.startswith(SERVICE)
    }
    return {
        "set": name,
        "name": sample.name,
        "share": round(sample.share, 4),
        "confidence": round(confidence, 4),
        "scores": own,
    }


if __name__ == "__main__":
    main()
