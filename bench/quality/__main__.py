"""`python -m bench.quality`: score the service and rembg on true mattes.

Writes quality.json, quality.md and quality.png.
"""

import argparse
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image
from pymatting import estimate_foreground_ml
from scipy.stats import spearmanr

from bench.quality.methods import Sample, cutout, methods, sets
from bench.quality.report import REMBG, SERVICE, report
from bench.quality.scores import score
from bench.quality.sheet import row, sheet
from bench.report import RESULTS, Figures, Samples, described, record, say, write
from pipeline.options import Options

_SHOWN = (SERVICE, REMBG, f"{REMBG}, decontaminate")


def main() -> None:
    """Score every image of every set with every method."""
    parser = argparse.ArgumentParser("python -m bench.quality", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="sets, or folders of sets")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    results, rows = _measure(sets(options.folders))
    write(options.results, "quality", results, report(results))
    sheet(rows).quantize(256).save(options.results / "quality.png", optimize=True)


def _measure(found: dict[str, list[Sample]]) -> tuple[Figures, list[Image.Image]]:
    """Return the results, and a row of the contact sheet for each image."""
    means, confidences, overlaps, rows = {}, [], [], []
    by_name = methods()
    for name, samples in found.items():
        scores: Samples = {}
        for sample in samples:
            colors = estimate_foreground_ml(np.asarray(sample.image) / 255, sample.truth)
            cutouts = {method: cut(sample.image).convert("RGBA") for method, cut in by_name.items()}
            for method, one in cutouts.items():
                pixels = np.asarray(one) / 255
                record(scores, name, method, **score(pixels, sample.truth, colors))
            confidence = cutout(sample.image, Options()).confidence
            assert confidence is not None
            confidences.append(confidence)
            rows.append(row(sample, {method: cutouts[method] for method in _SHOWN}))
            overlap = scores[name][SERVICE]["iou"][-1]
            overlaps.append(overlap)
            say(f"quality: {name}/{sample.name}: IoU {overlap:.3f}")
        means[name] = {
            method: {key: mean(values) for key, values in of.items()}
            for method, of in scores[name].items()
        }
    correlation = float(spearmanr(confidences, overlaps).statistic)
    about = {
        name: {
            "images": len(samples),
            "megapixels": mean(np.prod(sample.image.size) / 1e6 for sample in samples),
        }
        for name, samples in found.items()
    }
    agreement = {"correlation": correlation, "of": confidences, "iou": overlaps}
    return described() | {"sets": about, "means": means, "confidence": agreement}, rows


if __name__ == "__main__":
    main()
