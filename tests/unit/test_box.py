"""Rectangles: their corners, and growth that ends at the image's edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.image.box import Box


def test_corners_are_left_top_and_exclusive_right_bottom() -> None:
    assert Box(3, 5, 10, 20).corners == (3, 5, 13, 25)
    assert Box.between(3, 5, 13, 25) == Box(3, 5, 10, 20)


@pytest.mark.parametrize(
    ("margin", "grown"),
    [
        (0, Box(3, 5, 10, 20)),
        (2, Box(1, 3, 14, 24)),
        (3, Box(0, 2, 16, 26)),
        (4, Box(0, 1, 17, 28)),
        (500, Box(0, 0, 30, 40)),
    ],
)
def test_a_margin_ends_at_the_edges_of_the_image(margin: int, grown: Box) -> None:
    assert Box(3, 5, 10, 20).grown(margin, (30, 40)) == grown


SIDE = st.integers(1, 200)


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        ((1.0, 2.0, 3.0, 4.0), Box(1, 2, 2, 2)),
        ((1.1, 2.9, 3.1, 4.9), Box(1, 2, 3, 3)),
        ((0.25, 0.5, 0.5, 0.75), Box(0, 0, 1, 1)),
    ],
)
def test_a_box_around_corners_is_the_least(
    corners: tuple[float, float, float, float], box: Box
) -> None:
    assert Box.around(corners) == box


@given(width=SIDE, height=SIDE, margin=st.integers(0, 300), data=st.data())
def test_a_grown_box_contains_the_box_and_stays_inside_the_image(
    width: int, height: int, margin: int, data: st.DataObject
) -> None:
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    grown = Box.between(left, top, right, bottom).grown(margin, (width, height)).corners
    # Each side moves by the margin or to the edge.
    assert [left - grown[0], top - grown[1]] == [min(margin, left), min(margin, top)]
    assert [grown[2] - right, grown[3] - bottom] == [
        min(margin, width - right),
        min(margin, height - bottom),
    ]


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (Box(0, 0, 100, 100), Box(3, 5, 10, 20)),
        (Box(5, 0, 4, 100), Box(5, 5, 4, 20)),
        (Box(5, 7, 100, 100), Box(5, 7, 8, 18)),
        (Box(50, 7, 10, 10), Box(50, 7, 0, 10)),
    ],
)
def test_what_two_boxes_share(other: Box, shared: Box) -> None:
    assert Box(3, 5, 10, 20).within(other) == shared
    assert shared.relative_to(other).corners[:2] == (
        shared.left - other.left,
        shared.top - other.top,
    )
