"""Lengths in pixels and percent."""

from pipeline.canvas.plan import Length


def test_a_length_is_in_pixels_or_a_share_of_a_side() -> None:
    assert Length(30, is_percent=False).of(200) == 30
    assert Length(30, is_percent=True).of(200) == 60
    assert Length(0.5, is_percent=True).of(100) == 0.5
