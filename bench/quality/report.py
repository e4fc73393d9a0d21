"""The targets and tables of a run."""

from collections.abc import Iterator, Sequence
from statistics import mean

from scipy.stats import spearmanr

from bench.quality.intervals import Scored, gain, gains, groups
from bench.report import Figures, Target, document, judge, table, target_table

SERVICE, REMBG = "service", "rembg"
ONE_LOOK = f"{SERVICE}, passes=1"
RAW_ONCE = f"{SERVICE}, edges=raw"
RAW = f"{RAW_ONCE}, passes=auto"

_TITLES = {
    "mae": "MAE ↓",
    "iou": "IoU ↑",
    "boundary": "boundary F ↑",
    "sad": "SAD ↓",
    "gradient": "gradient ↓",
    "composite": "color error, composites ↓",
    "fringe": "color error, fringe ↓",
}

# A confidence and an IoU over these are a sure subject and a right one.
_SURE, _RIGHT = 0.9, 0.9


def targets(results: Figures) -> list[Target]:
    """Return what is wanted of the service, next to rembg's default and next to one look."""
    return [*_beside_rembg(results), *_of_looks(results["images"]), *_of_confidence(results)]


def _beside_rembg(results: Figures) -> Iterator[Target]:
    """Judge the scores as a share of those of rembg's default, of sets that have colors."""
    for name, means in results["means"].items():
        if REMBG not in means:
            continue
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
            yield judge(f"{name}: {title}, of rembg's", value, bound, wanted, "×")


def _of_looks(images: Sequence[Scored]) -> Iterator[Target]:
    """Judge what the default gains over the raw mask of one look."""
    found = groups(images)
    if small := found.get("under a quarter"):
        points = 100 * gain(small, "iou", SERVICE, ONE_LOOK)[0]
        more = _mean(small, SERVICE, "boundary") / _mean(small, ONE_LOOK, "boundary")
        yield _judged("under a quarter: IoU, points over one look", points, "≥", 3, 1)
        yield judge("under a quarter: boundary F, of one look's", more, "≥", 1.1, "×")
    for name in dict.fromkeys(one["set"] for one in images):
        for key, sign in (("mae", -1), ("iou", 1), ("boundary", 1)):
            ends = sorted(sign * end for end in gain(found[name], key, SERVICE, RAW_ONCE)[1:])
            title = _TITLES[key].rstrip(" ↓↑")
            yield _judged(f"{name}: {title}, best end of the gain over raw", ends[1], "≥", 0, 4)


def _of_confidence(results: Figures) -> Iterator[Target]:
    """Judge the confidence by the true IoU."""
    right = [one["scores"][SERVICE]["iou"] > _RIGHT for one in sure(results["images"])]
    yield _judged("rank correlation of confidence and IoU", correlation(results), "≥", 0.8, 2)
    if right:
        share = mean(right)
        yield _judged(f"IoU over {_RIGHT} of confidence over {_SURE}", share, "≥", 0.9, 2)


def _judged(what: str, value: float, bound: str, wanted: float, digits: int) -> Target:
    """Judge a value with more digits than a unit has."""
    target = judge(what, value, bound, wanted)
    return target._replace(wanted=f"{bound} {wanted:.{digits}f}", measured=f"{value:.{digits}f}")


def correlation(results: Figures) -> float:
    """Return Spearman's rank correlation of the confidence and the true IoU, over all sets."""
    images = results["images"]
    overlaps = [one["scores"][SERVICE]["iou"] for one in images]
    return float(spearmanr([one["confidence"] for one in images], overlaps).statistic)


def sure(images: Sequence[Scored]) -> list[Scored]:
    """Return the images whose confidence is over 0.9."""
    return [one for one in images if one["confidence"] > _SURE]


def _mean(images: Sequence[Scored], method: str, score: str) -> float:
    return float(mean(one["scores"][method][score] for one in images))


def report(results: Figures) -> str:
    """Write the run in Markdown."""
    parts = [
        "# Cutouts against true mattes: `make quality`",
        "Means over each set. Both run u2netp; rembg's default multiplies colors by alpha and "
        "stores them as straight. SAD and gradient are in thousands. Color errors are those within "
        "six pixels of the true edge, against colors estimated with the true alpha (pymatting's "
        "multi-level method): of the composites over white, black and green, where errors of alpha "
        "count too, and of the cutout's own colors, weighted by its alpha. Sets with coarse "
        "outlines have the scores of masks only. Spearman's rank correlation of the confidence and "
        f"the true IoU is {correlation(results):.2f}.",
        target_table(targets(results)),
        "## By set, and by the subject's share of the image",
        f"The means of `{RAW_ONCE}`, which is rembg's mask, and what the others gain on the same "
        "images, with 95 % intervals by bootstrap over the images; bold if the interval is on one "
        "side of 0.",
        gains(results["images"], (RAW, ONE_LOOK, SERVICE), RAW_ONCE),
    ]
    for name, means in results["means"].items():
        about = results["sets"][name]
        keys = [key for key in _TITLES if key in means[SERVICE]]
        rows = [(method, *(f"{of[key]:.4g}" for key in keys)) for method, of in means.items()]
        parts += [
            f"## {name}: {about['images']} images of {about['megapixels']:.1f} megapixels",
            table(" | ".join(("", *(_TITLES[key] for key in keys))), rows),
        ]
    return document(*parts)
