"""Where the subject goes on the canvas, and how large both are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.canvas.layout import Layout, arrange, fit_size
from pipeline.canvas.plan import Length, Margins, Plan
from pipeline.image.box import Box

ANY = 10**9
SUBJECT = Box(20, 10, 60, 40)
SOURCE = (200, 100)
NOTHING = Length(0, False)


def margins(*values: float, is_percent: bool = False) -> Margins:
    return Margins(*(Length(value, is_percent) for value in values))


def layout(max_pixels: int = ANY, **fields: object) -> Layout:
    return arrange(SOURCE, SUBJECT, Plan(max_pixels, **fields))  # type: ignore[arg-type]


@given(st.integers(500, 9000), st.floats(0.25, 4.0), st.sampled_from([250_000, 4_000_000]))
def test_a_large_image_lands_just_below_its_size(width: int, ratio: float, most: int) -> None:
    height = max(1, round(width * ratio))
    if width * height <= most:
        assert fit_size((width, height), most) == (width, height)
        return
    fitted = fit_size((width, height), most)
    assert 0.995 * most <= fitted[0] * fitted[1] <= most
    by_width, by_height = fitted[1] - fitted[0] * ratio, fitted[0] - fitted[1] / ratio
    assert min(abs(by_width), abs(by_height)) <= 2


@pytest.mark.parametrize(("size", "most"), [((1, 65_535), 1000), ((65_535, 2), 1000)])
def test_a_very_thin_image_keeps_a_pixel(size: tuple[int, int], most: int) -> None:
    width, height = fit_size(size, most)
    assert min(width, height) >= 1
    assert width * height <= most


def test_a_plain_cutout_is_the_whole_image() -> None:
    assert layout() == Layout(Box(0, 0, 200, 100), Box(0, 0, 200, 100), (200, 100))
    assert layout(5000) == Layout(Box(0, 0, 200, 100), Box(0, 0, 100, 50), (100, 50))


def test_cropping_makes_the_subject_and_its_margins_the_canvas() -> None:
    assert layout(margins=margins(0, 0, 0, 0)) == Layout(SUBJECT, Box(0, 0, 60, 40), (60, 40))
    assert layout(margins=margins(30, 1, 2, 3)) == Layout(SUBJECT, Box(3, 30, 60, 40), (64, 72))
    found = layout(margins=margins(10, 10, 10, 10, is_percent=True))
    assert (found.canvas, found.place) == ((72, 48), Box(6, 4, 60, 40))


@pytest.mark.parametrize("side", [41, 42, 43, 44, 45])
def test_a_margin_in_percent_rounds_the_whole_side(side: int) -> None:
    plan = Plan(ANY, margins=margins(10, 10, 10, 10, is_percent=True))
    found = arrange(SOURCE, Box(0, 0, side, side), plan)
    assert found.canvas == (int(side * 1.2 + 0.5),) * 2


def test_sizes_count_the_whole_image_and_margins_the_result() -> None:
    found = layout(5000, margins=margins(7, 7, 7, 7))
    assert found == Layout(SUBJECT, Box(7, 7, 30, 20), (44, 34))


@pytest.mark.parametrize(
    ("position", "corner"),
    [((0.0, 0.0), (0, 0)), ((1.0, 1.0), (140, 60)), ((0.5, 0.5), (70, 30)), ((0, 1), (0, 60))],
)
def test_a_position_divides_the_space_that_is_left(
    position: tuple[float, float], corner: tuple[int, int]
) -> None:
    found = layout(position=position)
    assert found == Layout(SUBJECT, Box(*corner, 60, 40), (200, 100))


def test_a_scale_is_the_largest_subject_in_that_share_of_the_canvas() -> None:
    assert layout(scale=1.0, position=(0.5, 0.5)).place == Box(25, 0, 150, 100)
    assert layout(scale=0.2, position=(1.0, 0.0)).place == Box(170, 0, 30, 20)


def test_without_a_position_a_scaled_subject_keeps_its_center() -> None:
    assert layout(scale=0.2).place == Box(35, 20, 30, 20)
    assert layout(scale=1.0).place == Box(0, 0, 150, 100)  # as far as the canvas allows


def test_a_cropped_canvas_stays_when_the_subject_is_scaled() -> None:
    found = layout(margins=margins(30, 70, 30, 70), scale=0.5, position=(0.5, 0.5))
    assert (found.canvas, found.place) == ((200, 100), Box(62, 25, 75, 50))


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.data(),
    st.integers(1, 4_000_000),
)
def test_the_subject_is_always_within_the_canvas(
    source: tuple[int, int], data: st.DataObject, most: int
) -> None:
    left = data.draw(st.integers(0, source[0] - 1))
    top = data.draw(st.integers(0, source[1] - 1))
    width = data.draw(st.integers(1, source[0] - left))
    height = data.draw(st.integers(1, source[1] - top))
    length = st.builds(Length, st.floats(0, 50), st.booleans())
    share = st.floats(0, 1)
    plan = Plan(
        most,
        margins=data.draw(st.none() | st.builds(Margins, length, length, length, length)),
        scale=data.draw(st.none() | st.floats(0.1, 1)),
        position=data.draw(st.none() | st.tuples(share, share)),
    )
    found = arrange(source, Box(left, top, width, height), plan)
    assert min(found.place.left, found.place.top, found.place.width - 1) >= 0
    assert found.place.height >= 1
    assert found.place.corners[2] <= found.canvas[0]
    assert found.place.corners[3] <= found.canvas[1]
