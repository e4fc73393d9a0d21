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

from bench.quality.methods import Method, Sample, cutout, methods, sets
from bench.quality.report import REMBG, SERVICE, report
from bench.quality.scores import score
from bench.quality.sheet import row, sheet
from bench.report import RESULTS, Samples, described, record, say, write
from pipeline.options import Options

_SHOWN = (SERVICE, REMBG, f"{REMBG}, decontaminate")


def main() -> None:
    """Score every image of every set with every method."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.quality", description="Cutouts against true mattes, beside rembg's."
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        help="sets, or folders of sets (default: people, products and soft_alpha of TEST_DATA)",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder (default bench/results)"
    )
    options = parser.parse_args()
    found, by_name = sets(options.folders), methods()
    scores: Samples = {}
    rows: list[Image.Image] = []
    confidences: list[float] = []
    for name, samples in found.items():
        for sample in samples:
            rows.append(_score(sample, name, by_name, scores))
            confidence = cutout(sample.image, Options()).confidence
            assert confidence is not None
            confidences.append(confidence)
            say(f"quality: {name}/{sample.name}: IoU {scores[name][SERVICE]['iou'][-1]:.3f}")
    overlaps = [overlap for name in found for overlap in scores[name][SERVICE]["iou"]]
    correlation = float(spearmanr(confidences, overlaps).statistic)
    results = described() | {
        "sets": {
            name: {
                "images": len(samples),
                "megapixels": mean(np.prod(sample.image.size) / 1e6 for sample in samples),
            }
            for name, samples in found.items()
        },
        "means": {
            name: {
                method: {key: mean(values) for key, values in of.items()}
                for method, of in by_method.items()
            }
            for name, by_method in scores.items()
        },
        "confidence": {"correlation": correlation, "of": confidences, "iou": overlaps},
    }
    write(options.results, "quality", results, report(results))
    sheet(rows).quantize(256).save(options.results / "quality.png", optimize=True)


def _score(sample: Sample, name: str, by_name: dict[str, Method], scores: Samples) -> Image.Image:
    """Record the scores of a set's image by method; return its row of the contact sheet."""
    foreground = estimate_foreground_ml(np.asarray(sample.image) / 255, sample.truth)
    cutouts = {method: cut(sample.image).convert("RGBA") for method, cut in by_name.items()}
    for method, one in cutouts.items():
        record(scores, name, method, **score(np.asarray(one) / 255, sample.truth, foreground))
    return row(sample, {method: cutouts[method] for method in _SHOWN})


if __name__ == "__main__":
    main()
