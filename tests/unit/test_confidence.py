"""The confidence, as a probability."""

import itertools

import pytest

from pipeline.mask.confidence import calibrate


@pytest.mark.parametrize(
    ("certainty", "confidence"), [(0.0, 0), (0.9, 0.09), (0.955, 0.5), (0.98, 0.91), (1.0, 1)]
)
def test_the_probability_of_a_certainty(certainty: float, confidence: float) -> None:
    assert calibrate(certainty) == pytest.approx(confidence, abs=0.01)


def test_the_order_is_kept() -> None:
    confidences = [calibrate(step / 1000) for step in range(1, 1000)]
    assert all(0 <= one < other <= 1 for one, other in itertools.pairwise(confidences))
