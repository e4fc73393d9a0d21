"""The size of a response, and the fraction at which a JPEG is decoded for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.image.box import Box
from pipeline.image.scale import (
    divisor_of_part,
    finer_divisor,
    first_divisor,
    response_size,
)

SIDE = st.integers(1, 65_535)


@pytest.mark.parametrize(
    ("frame", "max_side", "size"),
    [
        ((4000, 3000), None, (4000, 3000)),
        ((4000, 3000), 4000, (4000, 3000)),
        ((4000, 3000), 1000, (1000, 750)),
        ((3000, 4000), 1000, (750, 1000)),
        ((1001, 334), 1000, (1000, 334)),
        ((65_535, 1), 64, (64, 1)),
        ((63, 20), 64, (63, 20)),
    ],
)
def test_the_longer_side_is_at_most_max_side(
    frame: tuple[int, int], max_side: int | None, size: tuple[int, int]
) -> None:
    assert response_size(Box(7, 5, *frame), max_side) == size


@given(width=SIDE, height=SIDE, max_side=st.integers(64, 65_535))
def test_a_frame_keeps_its_shape_and_never_grows(width: int, height: int, max_side: int) -> None:
    size = response_size(Box(0, 0, width, height), max_side)
    assert max(size) == min(max_side, max(width, height))
    assert min(size) >= 1
    scale = max(size) / max(width, height)
    assert abs(size[0] - width * scale) <= 1
    assert abs(size[1] - height * scale) <= 1


@pytest.mark.parametrize(
    ("size", "max_side", "divisor"),
    [
        ((4032, 3024), 1009, 1),  # half of it would have less than twice the response's side
        ((4032, 3024), 1008, 2),
        ((4032, 3024), 505, 2),
        ((4032, 3024), 504, 4),
        ((4032, 3024), 64, 4),  # an eighth would have 378 pixels for the model's 320
        ((5120, 5120), 320, 8),
        ((5119, 5120), 320, 4),
        ((300, 200), 64, 1),
    ],
)
def test_twice_the_sides_of_the_response_and_of_the_models_input_are_decoded(
    size: tuple[int, int], max_side: int, divisor: int
) -> None:
    assert first_divisor(size, max_side, (320, 320)) == divisor
    assert first_divisor(size[::-1], max_side, (320, 320)) == divisor


@pytest.mark.parametrize(
    ("frame", "size", "divisor", "finer"),
    [
        ((4000, 3000), (1000, 750), 2, None),
        ((2829, 1000), (1000, 353), 2, None),  # twice as many pixels are left
        ((2820, 1000), (1000, 355), 2, 1),
        ((1000, 800), (1000, 800), 2, 1),
        ((1000, 800), (1000, 800), 1, None),
        ((3000, 3000), (1000, 1000), 8, 2),
        ((4000, 4000), (500, 500), 8, 4),
        ((6000, 6000), (500, 500), 8, None),
    ],
)
def test_a_small_subject_needs_a_finer_decoding(
    frame: tuple[int, int], size: tuple[int, int], divisor: int, finer: int | None
) -> None:
    assert finer_divisor(Box(5, 7, *frame), size, divisor) == finer


@given(width=SIDE, height=SIDE, max_side=st.integers(64, 65_535))
def test_the_whole_image_never_needs_a_finer_decoding(
    width: int, height: int, max_side: int
) -> None:
    frame = Box(0, 0, width, height)
    divisor = first_divisor((width, height), max_side, (320, 320))
    assert finer_divisor(frame, response_size(frame, max_side), divisor) is None


@pytest.mark.parametrize(
    ("part", "divisor", "finer"),
    [
        ((320, 1000), 1, None),
        ((320, 1000), 2, 1),
        ((640, 1000), 2, None),
        ((639, 1000), 2, 1),
        ((640, 1000), 8, 2),
        ((100, 100), 4, 1),
    ],
)
def test_a_part_has_as_many_pixels_as_the_models_input(
    part: tuple[int, int], divisor: int, finer: int | None
) -> None:
    assert divisor_of_part(Box(9, 9, *part), (320, 320), divisor) == finer
