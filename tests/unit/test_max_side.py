"""Responses that `max_side` scales down, through the whole flow."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.engine import Slot
from pipeline.image import webp_writer
from pipeline.image.box import Box
from pipeline.image.decode import decode
from pipeline.mask.segmenter import Prediction
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from tests.support.images import MAX_PIXELS, encoded, grainy

pytestmark = pytest.mark.sampled


class Finding:
    """A model that finds a box, given as shares of the image's sides."""

    input_size = (320, 320)

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        self._mask = np.zeros((320, 320), np.uint8)
        self._mask[
            round(320 * top) : round(320 * bottom), round(320 * left) : round(320 * right)
        ] = 255

    def predict(self, model_image: Image.Image) -> Prediction:
        return Prediction(self._mask, 1.0)

    def release_memory(self) -> None:
        pass


EVERYTHING, HALF, CORNER = (
    Finding(*box) for box in ((0, 0, 1, 1), (0, 0, 1, 0.75), (0.6, 0.5, 0.8, 0.75))
)


@pytest.fixture(scope="module")
def large() -> Image.Image:
    """An image of 6 megapixels with detail everywhere."""
    return grainy(6)


@pytest.fixture(scope="module")
def jpeg(large: Image.Image) -> bytes:
    return encoded(large, "JPEG", quality=92)


def run(data: bytes, segmenter: Any, **options: Any) -> Cutout:
    timer = RequestTimer(deadline=float("inf"))
    # The models here find the same whatever they see, so that a second look would be a lie.
    return remove_background(data, Options(passes=1, **options), Slot(segmenter), MAX_PIXELS, timer)


def pixels(cutout: Cutout) -> NDArray[np.int_]:
    image = np.asarray(Image.open(io.BytesIO(cutout.content))).astype(int)
    assert image.shape[1::-1] == (cutout.width, cutout.height)
    return image


def divisors(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list that the divisors of all decodings from now on are added to."""
    chosen: list[int] = []

    def spy(*arguments: Any) -> Any:
        image = decode(*arguments)
        chosen.append(image.scale.divisor)
        return image

    monkeypatch.setattr("pipeline.find_subject.decode", spy)
    return chosen


@pytest.mark.parametrize(
    "options",
    [{}, {"output": "mask"}, {"background": "#123"}, {"edges": "raw"}, {"crop": False}],
)
def test_a_photo_is_scaled_like_its_full_response(
    options: dict[str, Any], photo: bytes, segmenter: U2netpSegmenter
) -> None:
    full = run(photo, segmenter, **options)
    small = run(photo, segmenter, max_side=200, **options)
    longer = max(full.width, full.height)
    assert (small.width, small.height) == (
        round(full.width * 200 / longer),
        round(full.height * 200 / longer),
    )
    assert (small.subject, small.source_pixels) == (full.subject, full.source_pixels)
    whole = Image.open(io.BytesIO(full.content))
    expected = whole.resize((small.width, small.height), Image.Resampling.LANCZOS)
    difference = np.abs(pixels(small) - np.asarray(expected))
    if expected.mode == "RGBA":
        difference = difference * np.minimum(1, np.asarray(expected)[..., 3:] / 255)
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99.5) <= 8


def test_a_response_is_never_enlarged(photo: bytes, segmenter: U2netpSegmenter) -> None:
    assert run(photo, segmenter, max_side=512) == run(photo, segmenter)


def test_transparent_pixels_hide_nothing(photo: bytes, segmenter: U2netpSegmenter) -> None:
    cut = pixels(run(photo, segmenter, max_side=100, crop=False))
    assert (cut[..., 3] == 0).mean() > 0.2
    assert not cut[cut[..., 3] == 0].any()


def test_a_margin_is_in_pixels_of_the_source(jpeg: bytes) -> None:
    tight = run(jpeg, HALF, max_side=300)
    wide = run(jpeg, HALF, max_side=300, margin=200)
    full = run(jpeg, HALF)
    assert (tight.width, tight.height) == (300, round(300 * full.height / full.width))
    assert abs(wide.height - 300 * (full.height + 200) / full.width) <= 1
    for cutout in (tight, wide):
        for side, of_full in zip(cutout.subject.corners, full.subject.corners, strict=True):
            assert abs(side - of_full) <= 4


@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_a_jpeg_is_decoded_at_a_fraction(
    orientation: int, large: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = large.crop((0, 0, 2445, 1807))
    data = encoded(stored, "JPEG", quality=92, exif=exif)
    same = encoded(decode(data, MAX_PIXELS).rgb())
    chosen = divisors(monkeypatch)
    reduced = run(data, EVERYTHING, max_side=600, background="#fff")
    exact = run(same, EVERYTHING, max_side=600, background="#fff")
    assert chosen == [2, 1]
    assert (reduced.width, reduced.height) == (exact.width, exact.height)
    assert reduced.subject == exact.subject
    assert reduced.source_pixels == exact.source_pixels
    difference = np.abs(pixels(reduced) - pixels(exact))
    assert difference.mean() < 1
    assert np.percentile(difference, 99.9) < 8


def test_raw_edges_are_of_the_whole_image(jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = divisors(monkeypatch)
    run(jpeg, EVERYTHING, max_side=64, edges="raw")
    assert chosen == [1]


@pytest.mark.parametrize(("max_side", "expected"), [(150, [2]), (300, [2, 1]), (600, [2, 1])])
def test_a_small_subject_is_as_sharp_as_of_the_full_decoding(
    max_side: int, expected: list[int], jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = encoded(decode(jpeg, MAX_PIXELS).rgb())
    chosen = divisors(monkeypatch)
    reduced = run(jpeg, CORNER, max_side=max_side, margin=20)
    assert chosen == expected
    exact = run(same, CORNER, max_side=max_side, margin=20)
    difference = np.abs(pixels(reduced) - pixels(exact)) * (pixels(exact)[..., 3:] / 255)
    # A box of the reduced image may begin a pixel earlier or later, which moves all of them.
    assert difference.mean() < (2 if reduced.subject != exact.subject else 0.5)


def test_the_mask_is_found_once(jpeg: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(Finding):
        predicted = 0

        def predict(self, model_image: Image.Image) -> Prediction:
            self.predicted += 1
            return super().predict(model_image)

    chosen, segmenter = divisors(monkeypatch), Counting(0.6, 0.5, 0.8, 0.75)
    timer = RequestTimer(deadline=float("inf"))
    remove_background(jpeg, Options(max_side=600, passes=1), Slot(segmenter), MAX_PIXELS, timer)
    assert chosen == [2, 1]
    assert segmenter.predicted == 1
    assert list(timer.milliseconds) == ["decode", "segment", "select", "encode"]


def test_a_source_keeps_its_own_alpha(photo: bytes, segmenter: U2netpSegmenter) -> None:
    image = Image.open(io.BytesIO(photo)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    cut = pixels(run(encoded(image), segmenter, max_side=128, crop=False))
    own = np.asarray(image.getchannel("A").resize((128, 128), Image.Resampling.LANCZOS))
    # LANCZOS overshoots next to an edge.
    assert (cut[..., 3] <= own.astype(int) + 25).all()
    assert np.median((own - cut[..., 3])[cut[..., 3] > 100]) < 10


def test_the_limits_of_a_webp_are_those_of_the_response(
    jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webp_writer, "MAX_SIDE", 600)
    image = Image.open(io.BytesIO(run(jpeg, EVERYTHING, max_side=600, format="webp").content))
    assert (image.format, image.size) == ("WEBP", (600, 600))


@pytest.mark.parametrize("kind", ["CMYK", "L"])
def test_other_modes_of_jpeg(kind: str, large: Image.Image) -> None:
    data = encoded(large.convert(kind), "JPEG", quality=92)
    same = encoded(decode(data, MAX_PIXELS).rgb())
    reduced, exact = (
        pixels(run(data, EVERYTHING, max_side=500, format="jpeg")) for data in (data, same)
    )
    assert np.abs(reduced - exact).mean() < 1.5


def test_boxes_stay_inside_the_source(large: Image.Image) -> None:
    data = encoded(large.crop((0, 0, 1299, 1301)), "JPEG")
    cutout = run(data, EVERYTHING, max_side=64)
    assert cutout.subject == Box(0, 0, 1299, 1301)
