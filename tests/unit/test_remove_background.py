"""The whole flow with the real model on real images."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.engine import Slot
from pipeline.errors import DeadlineExceeded, FormatUnsupported, NoSubjectFound, OutOfMemory
from pipeline.image.decode import decode
from pipeline.mask.components import select_subject
from pipeline.mask.confidence import calibrate
from pipeline.mask.segmenter import Prediction
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from tests.support.images import MAX_PIXELS, encoded, reference_images, rembg_mask

# The options that promise rembg's mask.
REMBGS = {"subject": "all", "crop": False, "output": "mask", "edges": "raw", "passes": 1}


def run(data: bytes, segmenter: Any, **options: Any) -> Cutout:
    return remove_background(
        data, Options(**options), Slot(segmenter), MAX_PIXELS, RequestTimer(deadline=float("inf"))
    )


def pixels(cutout: Cutout) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(cutout.content)))


def test_a_photo_is_cut_out(photo: bytes, segmenter: U2netpSegmenter) -> None:
    timer = RequestTimer(deadline=float("inf"))
    cutout = remove_background(photo, Options(edges="raw"), Slot(segmenter), MAX_PIXELS, timer)
    assert list(timer.milliseconds) == ["decode", "segment", "select", "encode"]
    assert cutout.media_type == "image/png"
    assert cutout.confidence is not None
    assert cutout.confidence > 0.95
    cut = pixels(cutout)
    assert cut.shape == (cutout.height, cutout.width, 4)
    source = np.asarray(Image.open(io.BytesIO(photo)))
    left, top, right, bottom = cutout.subject.corners
    seen = cut[..., 3] > 0
    assert 0.4 < (cut[..., 3] > 240).mean() < 0.9
    assert np.array_equal(cut[seen][:, :3], source[top:bottom, left:right][seen])
    # The face is kept, the flag behind it is not.
    assert cut[110 - top, 220 - left, 3] > 240
    assert cut[60 - top, 60 - left, 3] < 30


def test_edges_are_refined_unless_the_client_asks_for_raw(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    refined, raw = (
        pixels(run(photo, segmenter, crop=False, edges=edges)) for edges in ("refined", "raw")
    )
    assert np.array_equal(refined, pixels(run(photo, segmenter, crop=False)))
    soft = [((cut[..., 3] > 25) & (cut[..., 3] < 230)).mean() for cut in (refined, raw)]
    assert 0 < soft[0] < 0.8 * soft[1]
    sure = (refined[..., 3] == 255) & (raw[..., 3] > 0)
    assert np.array_equal(refined[sure][:, :3], raw[sure][:, :3])
    partial = (refined[..., 3] > 0) & (refined[..., 3] < 255)
    assert (refined[partial][:, :3] != raw[partial][:, :3]).any(axis=1).mean() > 0.5


def test_a_source_with_transparency_keeps_its_colors(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    image = Image.open(io.BytesIO(photo)).convert("RGBA")
    image.putalpha(
        Image.linear_gradient("L").resize(image.size).point(lambda value: 155 + value * 100 // 255)
    )
    cut = pixels(run(encoded(image), segmenter, crop=False))
    seen = cut[..., 3] > 0
    assert seen.any()
    assert np.array_equal(cut[seen][:, :3], np.asarray(image)[seen][:, :3])


def test_crop_margin_and_mask_are_parts_of_the_whole(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    whole = pixels(run(photo, segmenter, crop=False))
    assert whole.shape == (512, 512, 4)
    tight = run(photo, segmenter)
    left, top, right, bottom = tight.subject.corners
    assert np.array_equal(pixels(tight), whole[top:bottom, left:right])
    assert np.array_equal(pixels(run(photo, segmenter, output="mask")), pixels(tight)[..., 3])
    assert np.array_equal(pixels(run(photo, segmenter, crop=False, output="mask")), whole[..., 3])
    wide = run(photo, segmenter, margin=7)
    assert (wide.width, wide.height) == (
        min(512, right + 7) - max(0, left - 7),
        min(512, bottom + 7) - max(0, top - 7),
    )
    assert wide.subject == tight.subject


def test_a_rotated_photo_gives_the_bytes_of_the_upright_one(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    upright = Image.open(io.BytesIO(photo)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = run(encoded(upright.transpose(Image.Transpose.ROTATE_90), exif=exif), segmenter)
    assert turned.content == run(encoded(upright), segmenter).content


def test_a_cutout_of_a_cutout_keeps_its_transparency(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    image = Image.open(io.BytesIO(photo)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    again = pixels(run(encoded(image), segmenter, crop=False))
    assert (again[..., 3] <= np.asarray(image)[..., 3]).all()
    image.putalpha(0)
    with pytest.raises(NoSubjectFound):
        run(encoded(image), segmenter)


def test_the_deadline_is_checked_between_two_steps(photo: bytes) -> None:
    timer = RequestTimer(deadline=time.monotonic() + 0.2)

    class Slow:
        input_size = (8, 8)

        def predict(self, model_image: Image.Image) -> Prediction:
            time.sleep(0.3)
            return Prediction(np.full((8, 8), 255, np.uint8), 1.0)

        def release_memory(self) -> None:
            raise AssertionError("a small image needs no memory")

    with pytest.raises(DeadlineExceeded):
        remove_background(photo, Options(), Slot(Slow()), MAX_PIXELS, timer)
    assert list(timer.milliseconds) == ["decode", "segment"]


def test_the_confidence_is_none_if_the_model_reports_no_peak(photo: bytes) -> None:
    class Silent:
        input_size = (8, 8)
        peak: float | None = None

        def predict(self, model_image: Image.Image) -> Prediction:
            return Prediction(np.full((8, 8), 255, np.uint8), self.peak)

    segmenter = Silent()
    assert run(photo, segmenter).confidence is None
    segmenter.peak = 0.5
    assert run(photo, segmenter).confidence == calibrate(0.5)


class Counting:
    """A model that finds everything salient, and counts how often its memory is released."""

    input_size = (8, 8)
    released = 0

    def predict(self, model_image: Image.Image) -> Prediction:
        return Prediction(np.full((8, 8), 255, np.uint8), 1.0)

    def release_memory(self) -> None:
        self.released += 1


@pytest.mark.parametrize(
    ("width", "options", "times"),
    [
        (1000, {}, 0),  # 4 MB to decode
        (8000, {}, 2),  # 32 MB: before decoding, and again after the inference
        (1000, {"format": "webp"}, 0),  # 24 MB to encode
        (1300, {"format": "webp"}, 1),  # 31 MB
    ],
)
def test_the_models_memory_is_released_for_large_work(
    width: int, options: dict[str, Any], times: int
) -> None:
    segmenter = Counting()
    gradient = Image.linear_gradient("L").resize((width, 1000)).convert("RGB")
    run(encoded(gradient), segmenter, edges="raw", **options)
    assert segmenter.released == times


def test_a_webp_must_fit_beside_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """24 bytes per pixel of the response, and 4 of the source."""
    data = encoded(Image.linear_gradient("L").resize((100, 50)).convert("RGB"))
    module = "pipeline.remove_background._WEBP_BYTES"
    monkeypatch.setattr(module, 28 * 100 * 50)
    assert run(data, Counting(), format="webp").width == 100
    monkeypatch.setattr(module, 28 * 100 * 50 - 1)
    with pytest.raises(FormatUnsupported):
        run(data, Counting(), format="webp")
    assert run(data, Counting(), format="webp", max_side=99).width == 99
    assert run(data, Counting(), format="png").width == 100


def test_memory_that_runs_out_in_the_model_is_out_of_memory(photo: bytes) -> None:
    class Failing:
        input_size = (8, 8)

        def predict(self, model_image: Image.Image) -> Prediction:
            raise MemoryError

    with pytest.raises(OutOfMemory):
        run(photo, Failing())


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_all_parts_uncropped_are_rembgs_mask(
    step: int, data: Path, segmenter: U2netpSegmenter, rembg_session: Any
) -> None:
    """The two differ by at most 1/255, except within LANCZOS's reach of the cells that we drop."""
    for file in reference_images(data / "reference")[::step]:
        theirs = rembg_mask(rembg_session, Image.open(file))
        ours = pixels(run(file.read_bytes(), segmenter, **REMBGS)).astype(int)
        assert ours.shape == theirs.shape
        model_image = (
            decode(file.read_bytes(), MAX_PIXELS).rgb().resize((320, 320), Image.Resampling.LANCZOS)
        )
        prediction = segmenter.predict(model_image)
        dropped = (
            select_subject(prediction, np.asarray(model_image), None, "all").mask != prediction.mask
        )
        reached = ndimage.binary_dilation(dropped, np.ones((3, 3), bool), iterations=6)
        same = ~np.asarray(
            Image.fromarray(reached).resize(ours.shape[::-1], Image.Resampling.NEAREST)
        )
        assert np.abs(ours - theirs)[same].max() <= 1, file.name
        assert same.mean() > 0.85, file.name
        assert dropped.mean() < 0.05, file.name
