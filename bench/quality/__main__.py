"""`python -m bench.quality`: score the service and rembg on true mattes.

Writes quality.json, quality.md and quality.png.
"""

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from pymatting import estimate_foreground_ml
from scipy.stats import spearmanr

from bench.quality.ground_truth import samples, sets
from bench.quality.methods import REMBG, SERVICE, cutout, methods
from bench.quality.report import report
from bench.quality.scores import score
from bench.quality.sheet import row, sheet
from bench.report import RESULTS, Figures, say, write_json
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
    results: Figures = {"date": datetime.now(UTC).date().isoformat(), "sets": {}, "means": {}}
    rows: list[Image.Image] = []
    confidences: list[float] = []
    overlaps: list[float] = []
    by_name = methods()
    for name, folder in sets(options.folders).items():
        scores: dict[str, list[dict[str, float]]] = {method: [] for method in by_name}
        pixels = []
        for file, image, truth in samples(folder):
            foreground = estimate_foreground_ml(np.asarray(image) / 255, truth)
            cutouts = {method: cut(image).convert("RGBA") for method, cut in by_name.items()}
            for method, one in cutouts.items():
                whole = np.asarray(one) / 255
                found = score(whole[..., 3], whole[..., :3], truth, foreground)
                scores[method].append(asdict(found))
            confidence = cutout(image, Options()).confidence
            assert confidence is not None
            confidences.append(confidence)
            overlaps.append(scores[SERVICE][-1]["iou"])
            rows.append(row(file, image, truth, {method: cutouts[method] for method in _SHOWN}))
            pixels.append(image.width * image.height / 1e6)
            say(f"quality: {name}/{file}: IoU {overlaps[-1]:.3f}")
        results["sets"][name] = {"images": len(pixels), "megapixels": float(np.mean(pixels))}
        results["means"][name] = {
            method: {key: float(np.mean([one[key] for one in of])) for key in of[0]}
            for method, of in scores.items()
        }
    correlation = float(spearmanr(confidences, overlaps).statistic)
    results["confidence"] = {"correlation": correlation, "of": confidences, "iou": overlaps}
    write_json(options.results / "quality.json", results)
    (options.results / "quality.md").write_text(report(results))
    sheet(rows).quantize(256).save(options.results / "quality.png", optimize=True)


if __name__ == "__main__":
    main()
