"""`python -m bench.quality`: score the service and rembg on true mattes, and write bench/results/quality.*."""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from pymatting import estimate_foreground_ml
from scipy.stats import spearmanr

from bench.progress import say
from bench.quality.cutters import OURS, THEIRS, answer, cutters
from bench.quality.report import means, report
from bench.quality.scores import Scores, score
from bench.quality.sheet import row, sheet
from pipeline.options import Options

_RESULTS = Path(__file__).parent.parent / "results"
_TRUTH = (
    Path(os.environ.get("TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "groundtruth"
)
_SHOWN = (OURS, THEIRS, "rembg, decontaminate")


def main() -> None:
    """Score every folder that holds `images/` and `masks/` with files of the same names."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.quality", description="Cut-outs against true mattes, beside rembg's."
    )
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        help=f"sets, or folders of sets (default {_TRUTH.name} of the test data)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=_RESULTS,
        help="where quality.* goes (default bench/results)",
    )
    options = parser.parse_args()
    sets = {
        place.parent.name: place
        for folder in options.folders or [_TRUTH]
        for place in sorted(folder.rglob("images"))
    }
    if not sets:
        sys.exit("quality: no folder with images/ and masks/ was found; name one")
    scores: dict[str, dict[str, list[Scores]]] = {}
    rows, confidences, overlaps, described = [], [], [], {}
    with cutters() as all_cutters:
        for name, folder in sets.items():
            scores[name] = {cutter: [] for cutter in all_cutters}
            pixels = []
            for file in sorted(folder.iterdir()):
                picture = Image.open(file).convert("RGB")
                mask = next((folder.parent / "masks").glob(f"{file.stem}.*"))
                truth = np.asarray(Image.open(mask).convert("L"), dtype=np.float64) / 255
                foreground = estimate_foreground_ml(np.asarray(picture) / 255, truth)
                cutouts = {cutter: cut(picture) for cutter, cut in all_cutters.items()}
                for cutter, cutout in cutouts.items():
                    whole = np.asarray(cutout.convert("RGBA")) / 255
                    scores[name][cutter].append(
                        score(whole[..., 3], whole[..., :3], truth, foreground)
                    )
                confidence = answer(picture, Options()).confidence
                assert confidence is not None
                confidences.append(confidence)
                overlaps.append(scores[name][OURS][-1].iou)
                rows.append(
                    row(
                        file.name,
                        picture,
                        truth,
                        {cutter: cutouts[cutter].convert("RGBA") for cutter in _SHOWN},
                    )
                )
                pixels.append(picture.width * picture.height / 1e6)
                say(
                    f"quality: {name}/{file.name}: IoU {overlaps[-1]:.3f}, confidence {confidences[-1]:.3f}"
                )
            described[name] = {"pictures": len(pixels), "megapixels": float(np.mean(pixels))}
    results = {
        "date": datetime.now(UTC).date().isoformat(),
        "sets": described,
        "means": means(scores),
        "confidence": {
            "correlation": float(spearmanr(confidences, overlaps).statistic),
            "of": confidences,
            "iou": overlaps,
        },
    }
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "quality.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.results / "quality.md").write_text(report(results))
    sheet(rows).quantize(256).save(options.results / "quality.png", optimize=True)


if __name__ == "__main__":
    main()
