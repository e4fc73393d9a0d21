"""The scores of alphas whose errors are known, and the page that shows the last run."""

import json
import re

import numpy as np
import pytest

from bench.quality.report import report, targets
from bench.quality.scores import score
from tests.support.environment import ROOT

TRUTH = np.zeros((60, 80))
TRUTH[10:50, 20:60] = 1
COLORS = np.full((60, 80, 3), (0.8, 0.2, 0.1))


def of(alpha: np.ndarray, colors: np.ndarray = COLORS) -> dict[str, float]:
    return score(np.dstack((colors, alpha)), TRUTH, COLORS)


def test_the_truth_has_no_error() -> None:
    assert of(TRUTH) == pytest.approx(
        {"mae": 0, "iou": 1, "boundary": 1, "sad": 0, "gradient": 0, "composite": 0, "fringe": 0}
    )


def test_a_shift_counts_in_the_scores_that_measure_it() -> None:
    one, five = (of(np.roll(TRUTH, pixels, axis=1)) for pixels in (1, 5))
    assert one["mae"] == pytest.approx(2 * 40 / (60 * 80))
    assert one["sad"] == pytest.approx(2 * 40 / 1000)
    assert one["iou"] == pytest.approx(39 / 41)
    assert one["boundary"] == 1  # within the tolerance of two pixels
    assert five["boundary"] < 0.8
    assert five["gradient"] > one["gradient"] > 0
    assert five["composite"] > one["composite"] > 0


def test_wrong_colors_count_by_their_alpha() -> None:
    dark = of(TRUTH, COLORS * 0.5)
    assert dark["mae"] == 0
    assert dark["fringe"] == pytest.approx(dark["composite"])
    assert dark["fringe"] > 0.05
    assert of(TRUTH * 0, COLORS * 0.5)["fringe"] == 0


def test_the_page_shows_the_last_run() -> None:
    results = json.loads((ROOT / "bench" / "results" / "quality.json").read_text())
    assert (ROOT / "bench" / "results" / "quality.md").read_text() == report(results)
    page = (ROOT / "docs" / "quality.md").read_text()
    service, rembg = results["means"]["products"]["service"], results["means"]["products"]["rembg"]
    assert f"{service['boundary']:.2f}, rembg {rembg['boundary']:.2f}" in page
    assert f"{1 - service['mae'] / rembg['mae']:.0%}".replace("%", " % lower") in page
    correlation = f"{results['confidence']['correlation']:.2f}"
    assert re.search(rf"rank correlation [^.]* {re.escape(correlation)}", page)
    missed = [target.what for target in targets(results) if not target.met]
    assert all("composites" in what for what in missed), missed
