"""A second look at a part of the image: when, at what, and how both looks are joined."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.engine import Slot
from pipeline.errors import DeadlineExceeded
from pipeline.find_subject import Search, find_subject
from pipeline.image.box import Box
from pipeline.image.source_image import SourceImage
from pipeline.mask.components import Subject
from pipeline.mask.second_look import choose_window, join, select_again
from pipeline.mask.segmenter import Prediction
from pipeline.mask.subject import FoundSubject, Look, select
from pipeline.request_timer import RequestTimer
from tests.support.images import MAX_PIXELS, encoded

SOURCE = (1600, 1200)
WHOLE = Box(0, 0, *SOURCE)
WINDOW = Box(400, 300, 800, 600)


class Seeing:
    """A model that finds what is bright, and remembers what it was shown."""

    input_size = (320, 320)

    def __init__(self, *peaks: float) -> None:
        self.peaks = list(peaks)
        self.seen: list[NDArray[np.uint8]] = []
        self.released = 0

    def predict(self, model_image: Image.Image) -> Prediction:
        self.seen.append(np.asarray(model_image.getchannel("R")))
        bright = np.where(self.seen[-1] > 150, 255, 0).astype(np.uint8)
        return Prediction(bright, self.peaks.pop(0) if self.peaks else 1.0)

    def release_memory(self) -> None:
        self.released += 1


def with_a_square(box: Box, size: tuple[int, int] = SOURCE) -> Image.Image:
    """Return a dark gradient with a bright square."""
    image = Image.linear_gradient("L").resize(size).point(lambda value: value // 4)
    image = Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_180), image))
    image.paste((230, 200, 180), box.corners)
    return image


def find(image: Image.Image, model: Seeing, kind: str = "PNG", **of: Any) -> FoundSubject:
    search = Search("all", lambda box, size: (box, (box.width, box.height)), **of)
    timer = RequestTimer(deadline=float("inf"))
    return find_subject(encoded(image, kind), search, Slot(model), MAX_PIXELS, timer)[1]


SMALL, MIDDLE, LARGE = (
    Box(701, 503, 203, 151),
    Box(401, 303, 1003, 751),  # 39 % of the image
    Box(101, 103, 1403, 951),
)


@pytest.mark.parametrize(
    ("square", "peak", "passes", "looks"),
    [
        (SMALL, 1.0, "auto", 2),
        (SMALL, 1.0, 1, 1),
        (MIDDLE, 1.0, "auto", 1),
        (MIDDLE, 0.95, "auto", 2),  # unsure
        (MIDDLE, 1.0, 2, 2),
        (LARGE, 0.95, "auto", 1),
        (Box(20, 20, 1560, 1160), 1.0, 2, 1),  # there is nothing else to see
    ],
)
def test_a_small_subject_is_looked_at_again(
    square: Box, peak: float, passes: Any, looks: int
) -> None:
    model = Seeing(peak)
    found = find(with_a_square(square), model, passes=passes)
    assert len(model.seen) == looks
    assert np.abs(np.subtract(found.box.corners, square.corners)).max() <= 6


def test_a_window_of_the_source_makes_the_edge_exact() -> None:
    once, twice = (
        find(with_a_square(SMALL), Seeing(), passes=passes, edges="raw") for passes in (1, 2)
    )
    truth = np.zeros(SOURCE[::-1])
    truth[SMALL.top : SMALL.corners[3], SMALL.left : SMALL.corners[2]] = 255
    errors = [np.abs(found.matte.render(WHOLE) - truth).sum() for found in (once, twice)]
    assert errors[1] < 0.7 * errors[0]
    assert twice.selection.look.window.width == pytest.approx(203 * 1.8, abs=16)


def test_the_second_look_is_at_full_resolution() -> None:
    """A JPEG that was decoded at a half for the first look is decoded again."""
    model = Seeing()
    square = with_a_square(Box(705, 505, 100, 80))
    square.paste((20, 20, 20), (740, 505, 744, 585))  # a slit
    find(square, model, "JPEG", response_side=lambda _: 64)
    slit = model.seen[1][160]
    assert slit.min() < 100 < 200 < slit.max()
    assert len(model.seen) == 2


def test_the_deadline_is_checked_before_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("pipeline.request_timer.time.monotonic", lambda: now)

    class Slow(Seeing):
        def predict(self, model_image: Image.Image) -> Prediction:
            nonlocal now
            now += 3
            return super().predict(model_image)

    model, data = Slow(), encoded(with_a_square(SMALL))
    search = Search("all", lambda box, size: (box, size))
    with pytest.raises(DeadlineExceeded):
        find_subject(data, search, Slot(model), MAX_PIXELS, RequestTimer(deadline=2.5))
    assert len(model.seen) == 1


def test_the_models_memory_is_released_after_each_look_at_a_large_image() -> None:
    model = Seeing()
    data = encoded(with_a_square(SMALL))
    search = Search("all", lambda box, size: (box, (box.width, box.height)))
    timer = RequestTimer(deadline=float("inf"))
    find_subject(data, search, Slot(model), MAX_PIXELS, timer, held=40_000_000)
    assert (len(model.seen), model.released) == (2, 3)


def blob(*corners: int, value: int = 255) -> NDArray[np.uint8]:
    mask = np.zeros((320, 320), np.uint8)
    left, top, right, bottom = corners
    mask[top:bottom, left:right] = value
    return mask


def look(window: Box, mask: NDArray[np.uint8], peak: float | None = 1.0) -> Look:
    image = with_a_square(SMALL).resize((320, 320), box=window.corners)
    return Look(window, image, Prediction(mask, peak))


def test_both_looks_count_by_their_weights() -> None:
    first = look(WHOLE, blob(100, 100, 200, 200, value=200), 0.6)
    joined = join(first, look(WINDOW, blob(100, 100, 220, 220), 1.0))
    assert joined is not None
    mask = joined.prediction.mask
    assert mask[150, 150] == pytest.approx(0.7 * 255 + 0.3 * 200, abs=1)
    assert joined.prediction.peak == pytest.approx(0.88)
    assert joined.window == WINDOW
    unknown = join(first, look(WINDOW, blob(100, 100, 220, 220), None))
    assert unknown is not None
    assert unknown.prediction.peak is None


def test_the_second_look_fades_towards_a_side_inside_the_image() -> None:
    first = look(WHOLE, blob(0, 0, 320, 320, value=200))
    full = blob(0, 0, 320, 320)
    inside, corner = (
        join(first, look(window, full)) for window in (WINDOW, Box(0, 0, *WINDOW.corners[2:]))
    )
    assert inside is not None
    assert corner is not None
    row = inside.prediction.mask[160].astype(int)
    assert row[0] == pytest.approx(200, abs=2)
    assert (np.diff(row[:32]) >= 0).all()
    assert row[32:288].min() == row.max() == pytest.approx(238, abs=1)
    assert np.array_equal(row, row[::-1])
    start, end = corner.prediction.mask[160, [0, -1]].tolist()
    assert start == row.max()
    assert end == pytest.approx(200, abs=2)


def test_a_second_look_that_lost_the_subject_is_not_believed() -> None:
    image = SourceImage(with_a_square(SMALL))
    first = select(image, look(WHOLE, blob(140, 120, 200, 180)), "all")
    elsewhere = look(WINDOW, blob(0, 0, 30, 30))
    assert join(first.look, elsewhere) is None
    assert select_again(image, first, elsewhere, None) is first
    # A window of one color has no subject of its own, but the image does.
    flat = look(WINDOW, blob(100, 100, 220, 220))
    flat = Look(WINDOW, Image.new("RGB", (320, 320)), flat.prediction)
    assert select_again(image, first, flat, None) is first


def test_a_window_has_the_subject_and_begins_between_cells() -> None:
    subject = Subject(blob(160, 160, 200, 200), 0.9, 1, Box(160, 160, 40, 40))
    window = choose_window(subject, "auto", (640, 960))
    assert window == Box(288, 432, 144, 216)
    at_the_corner = Subject(blob(0, 0, 40, 40), 0.9, 1, Box(0, 0, 40, 40))
    assert choose_window(at_the_corner, "auto", (640, 960)) == Box(0, 0, 112, 168)
    assert choose_window(subject, "auto", (1, 1)) is None


def test_a_region_and_the_images_own_alpha_hold_in_both_looks() -> None:
    image = with_a_square(SMALL)
    alpha = Image.new("L", SOURCE, 255)
    alpha.paste(0, (0, 0, 750, 1200))
    image.putalpha(alpha)
    found = find(image, Seeing(), find_region=lambda size: Box(0, 0, 850, 1200))
    left, _, right, _ = found.box.corners
    assert left == pytest.approx(750, abs=2)
    assert right == 850


def test_the_mask_of_a_window_has_its_place_in_that_of_the_source() -> None:
    found = find(with_a_square(SMALL), Seeing())
    assert found.selection.look.window != WHOLE
    mask = found.selection.whole_mask(SOURCE)
    expected = blob(140, 134, 181, 174)
    assert mask.shape == expected.shape
    assert (np.abs(mask.astype(int) - expected) > 128).sum() < 90
    once = find(with_a_square(SMALL), Seeing(), passes=1).selection
    assert np.array_equal(once.whole_mask(SOURCE), once.subject.mask)
