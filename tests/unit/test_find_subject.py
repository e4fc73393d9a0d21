"""An image is decoded as coarsely as the response allows, and its subject found once."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import find_subject as find_module
from pipeline.engine import Slot
from pipeline.errors import DeadlineExceeded
from pipeline.find_subject import Search, find_subject
from pipeline.image.box import Box, Size
from pipeline.image.decode import decode
from pipeline.mask.segmenter import Prediction
from pipeline.request_timer import RequestTimer
from tests.support.images import MAX_PIXELS, encoded

SIDE = 1600


class Finding:
    """A model that finds a box, in shares of the image, and counts."""

    input_size = (320, 320)

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        self.mask = np.zeros((320, 320), np.uint8)
        rows = slice(int(top * 320), int(bottom * 320))
        self.mask[rows, int(left * 320) : int(right * 320)] = 255
        self.predicted = 0
        self.released = 0

    def predict(self, _: Image.Image) -> Prediction:
        self.predicted += 1
        return Prediction(self.mask, 1.0)

    def release_memory(self) -> None:
        self.released += 1


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    ramp = Image.linear_gradient("L").resize((SIDE, SIDE))
    return encoded(Image.merge("RGB", (ramp, ramp.rotate(90), ramp)), "JPEG")


@pytest.fixture
def divisors(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The divisors of the images that are decoded."""
    chosen: list[int] = []

    def recording(*arguments: Any) -> Any:
        image = decode(*arguments)
        chosen.append(image.scale.divisor)
        return image

    monkeypatch.setattr(find_module, "decode", recording)
    return chosen


def shows_all(size: int) -> Any:
    return lambda subject, source: (Box(0, 0, *source), (size, size))


def shows_subject(size: int) -> Any:
    return lambda subject, source: (subject, (size, size))


def run(data: bytes, model: Finding, held: int = 0, **of: Any) -> tuple[Any, Any]:
    timer = RequestTimer(deadline=float("inf"))
    search = Search("all", passes=1, **of)
    return find_subject(data, search, Slot(model), MAX_PIXELS, timer, held)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({}, [1]),
        ({"response_side": lambda _: 400}, [2]),
        ({"response_side": lambda _: 400, "edges": "raw"}, [1]),
        ({"response_side": lambda _: 400, "find_region": lambda size: Box(0, 0, *size)}, [1]),
        ({"response_side": lambda source: source[0]}, [1]),
    ],
)
def test_a_jpeg_is_decoded_as_coarsely_as_the_response_allows(
    of: dict[str, Any], expected: list[int], jpeg: bytes, divisors: list[int]
) -> None:
    model = Finding(0.1, 0.1, 0.9, 0.9)
    image, found = run(jpeg, model, place=shows_all(400), **of)
    assert divisors == expected
    assert image.scale.full_size == (SIDE, SIDE)
    assert np.abs(np.subtract(found.box.corners, (160, 160, 1440, 1440))).max() <= 12


def test_a_small_subject_is_decoded_again_and_found_once(jpeg: bytes, divisors: list[int]) -> None:
    model = Finding(0.4, 0.4, 0.6, 0.6)
    image, found = run(jpeg, model, place=shows_subject(300), response_side=lambda _: 400)
    assert divisors == [2, 1]
    assert model.predicted == 1
    assert image.size == (SIDE, SIDE)
    assert np.abs(np.subtract(found.box.corners, (640, 640, 960, 960))).max() <= 12


def test_a_region_is_one_of_the_source(jpeg: bytes) -> None:
    sizes: list[Size] = []

    def left_half(size: Size) -> Box:
        sizes.append(size)
        return Box(0, 0, size[0] // 2, size[1])

    model = Finding(0.1, 0.1, 0.9, 0.9)
    _, found = run(jpeg, model, place=shows_all(400), find_region=left_half)
    assert sizes == [(SIDE, SIDE)]
    assert found.box.corners[2] == SIDE // 2


def test_what_the_request_holds_besides_is_claimed(jpeg: bytes) -> None:
    model = Finding(0.1, 0.1, 0.9, 0.9)
    run(jpeg, model, place=shows_all(400))
    assert model.released == 0
    run(jpeg, model, held=25_000_000, place=shows_all(400))
    assert model.released == 2  # before decoding, and after the inference


def test_no_step_starts_after_the_deadline(jpeg: bytes) -> None:
    slot: Any = Slot(Finding(0, 0, 1, 1))
    search = Search("all", shows_all(400))
    with pytest.raises(DeadlineExceeded):
        find_subject(jpeg, search, slot, MAX_PIXELS, RequestTimer(deadline=0.0))
