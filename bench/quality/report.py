"""The targets and tables of a run."""

from bench.report import Figures, Target, document, judge, table, target_table

SERVICE, REMBG = "service", "rembg"

_TITLES = {
    "mae": "MAE ↓",
    "iou": "IoU ↑",
    "boundary": "boundary F ↑",
    "sad": "SAD ↓",
    "gradient": "gradient ↓",
    "composite": "color error, composites ↓",
    "fringe": "color error, fringe ↓",
}


def targets(results: Figures) -> list[Target]:
    """Return what is wanted of the service's scores, as a share of those of rembg's default."""
    found = []
    for name, means in results["means"].items():
        share = {key: means[SERVICE][key] / max(means[REMBG][key], 1e-9) for key in _TITLES}
        boundary = 1.15 if results["sets"][name]["megapixels"] > 1 else 1.0
        for key, value, bound, wanted in (
            ("mae", round(share["mae"], 2), "≤", 0.85),
            ("iou", share["iou"], "≥", 1.0),
            ("boundary", share["boundary"], "≥", boundary),
            ("fringe", share["fringe"], "≤", 0.5),
            ("composite", share["composite"], "≤", 0.5),
        ):
            title = _TITLES[key].rstrip(" ↓↑")
            found.append(judge(f"{name}: {title}, of rembg's", value, bound, wanted, "×"))
    return found


def report(results: Figures) -> str:
    """Write the run in Markdown."""
    parts = [
        "# Cutouts against true mattes: `make quality`",
        "Means over each set. Both run u2netp; rembg's default multiplies colors by alpha and "
        "stores them as straight. SAD and gradient are in thousands. Color errors are those within "
        "six pixels of the true edge, against colors estimated with the true alpha (pymatting's "
        "multi-level method): of the composites over white, black and green, where errors of alpha "
        "count too, and of the cutout's own colors, weighted by its alpha. Spearman's rank "
        "correlation of the confidence and the true IoU is "
        f"{results['confidence']['correlation']:.2f}.",
        target_table(targets(results)),
    ]
    for name, means in results["means"].items():
        about = results["sets"][name]
        rows = [
            (method, *(f"{scores[key]:.4g}" for key in _TITLES)) for method, scores in means.items()
        ]
        parts += [
            f"## {name}: {about['images']} images of {about['megapixels']:.1f} megapixels",
            table(" | ".join(("", *_TITLES.values())), rows),
        ]
    return document(*parts)
