"""The scores, on alphas whose errors are known, and the page that shows the last run's."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from bench.quality.report import report, targets
from bench.quality.scores import Scores, score
from tests.support.environment import ROOT

TRUTH = np.zeros((60, 80))
TRUTH[10:50, 20:60] = 1
COLOURS = np.full((60, 80, 3), (0.8, 0.2, 0.1))


def of(alpha: np.ndarray, colors: np.ndarray = COLOURS) -> Scores:
    return score(alpha, colors, TRUTH, COLOURS)


def test_the_truth_is_perfect() -> None:
    assert asdict(of(TRUTH)) == pytest.approx(
        {"mae": 0, "iou": 1, "boundary": 1, "sad": 0, "gradient": 0, "laid": 0, "fringe": 0}
    )


def test_a_shift_is_seen_by_what_looks_at_it() -> None:
    one, five = (of(np.roll(TRUTH, pixels, axis=1)) for pixels in (1, 5))
    assert one.mae == pytest.approx(2 * 40 / (60 * 80))
    assert one.sad == pytest.approx(2 * 40 / 1000)
    assert one.iou == pytest.approx(39 / 41)
    assert one.boundary == 1  # two pixels are as good as none
    assert five.boundary < 0.8
    assert five.gradient > one.gradient > 0
    assert five.laid > one.laid > 0


def test_wrong_colours_show_as_far_as_they_are_seen() -> None:
    dark = of(TRUTH, COLOURS * 0.5)
    assert dark.mae == 0
    assert dark.fringe == pytest.approx(dark.laid)
    assert dark.fringe > 0.05
    assert of(TRUTH * 0, COLOURS * 0.5).fringe == 0


def test_the_page_shows_the_last_run() -> None:
    results = json.loads((ROOT / "bench" / "results" / "quality.json").read_text())
    assert (ROOT / "bench" / "results" / "quality.md").read_text() == report(results)
    page = (ROOT / "docs" / "quality.md").read_text()
    ours, theirs = results["means"]["products"]["ours"], results["means"]["products"]["rembg"]
    assert f"{ours['boundary']:.2f} for {theirs['boundary']:.2f}" in page
    assert f"{1 - ours['mae'] / theirs['mae']:.0%}".replace("%", " % lower") in page
    assert f"rank correlation of {results['confidence']['correlation']:.2f}" in page
    missed = [target.what for target in targets(results) if not target.reached]
    assert all("laid over colours" in what for what in missed), missed
