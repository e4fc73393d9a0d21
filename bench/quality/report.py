"""The table of a run, and what it was to reach."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from bench.markdown import table, target_table
from bench.quality.cutters import OURS, THEIRS
from bench.quality.scores import HIGHER_IS_BETTER, Scores
from bench.targets import Target

_HEADERS = {
    "mae": "MAE",
    "iou": "IoU",
    "boundary": "boundary F",
    "sad": "SAD",
    "gradient": "gradient",
    "laid": "colour, laid over three",
    "fringe": "colour of the fringe",
}

# By set, by cutter: the mean of each score.
Means = Mapping[str, Mapping[str, Mapping[str, float]]]


def means(
    scores: Mapping[str, Mapping[str, list[Scores]]],
) -> dict[str, dict[str, dict[str, float]]]:
    """The mean of each score, by set and cutter."""
    return {
        name: {
            cutter: {
                field.name: float(np.mean([getattr(one, field.name) for one in all_of]))
                for field in fields(Scores)
            }
            for cutter, all_of in cutters.items()
        }
        for name, cutters in scores.items()
    }


def targets(results: dict[str, Any]) -> list[Target]:
    """What was wanted of the service against rembg's default, on each set."""
    found = []
    for name, of_set in results["means"].items():
        ours, theirs = of_set[OURS], of_set[THEIRS]
        ratios = {key: ours[key] / max(theirs[key], 1e-9) for key in asdict(Scores(*[0.0] * 7))}
        large = results["sets"][name]["megapixels"] > 1
        boundary = 1.15 if large else 1.0
        found += [
            Target(
                f"{name}: MAE, of rembg's",
                "≤ 0.85",
                f"{ratios['mae']:.2f}",
                round(ratios["mae"], 2) <= 0.85,
            ),
            Target(f"{name}: IoU, of rembg's", "≥ 1", f"{ratios['iou']:.3f}", ratios["iou"] >= 1),
            Target(
                f"{name}: boundary F, of rembg's",
                f"≥ {boundary}",
                f"{ratios['boundary']:.2f}",
                ratios["boundary"] >= boundary,
            ),
            Target(
                f"{name}: the edge's own colours, of rembg's",
                "≤ 0.5",
                f"{ratios['fringe']:.2f}",
                ratios["fringe"] <= 0.5,
            ),
            Target(
                f"{name}: the edge laid over colours, of rembg's",
                "≤ 0.5",
                f"{ratios['laid']:.2f}",
                ratios["laid"] <= 0.5,
            ),
        ]
    return found


def report(results: dict[str, Any]) -> str:
    """The run, in Markdown."""
    parts = [
        "# Cut-outs against true mattes: `make quality`",
        _about(results),
        target_table(targets(results)),
    ]
    for name, of_set in results["means"].items():
        described = results["sets"][name]
        parts.append(
            f"## {name}: {described['pictures']} pictures of {described['megapixels']:.1f} megapixels"
        )
        header = (
            "",
            *(
                title + (" ↑" if key in HIGHER_IS_BETTER else " ↓")
                for key, title in _HEADERS.items()
            ),
        )
        parts.append(
            table(
                header,
                [
                    (cutter, *(f"{scores[key]:.4g}" for key in _HEADERS))
                    for cutter, scores in of_set.items()
                ],
            )
        )
    return "\n\n".join(parts) + "\n"


def _about(results: dict[str, Any]) -> str:
    return (
        "Means over each set. Both run u2netp; rembg's default multiplies colours by alpha and then stores them as straight. "
        "SAD and gradient in thousands. Both colour errors are of the six pixels on either side of the true edge, against colours "
        "estimated with the true alpha (pymatting's multi-level method): of the cut-out laid over white, black and green, where an "
        "error of alpha counts too, and of its own colours, as far as they are seen. Spearman's rank correlation of the confidence "
        f"and the true IoU is {results['confidence']['correlation']:.2f}."
    )
