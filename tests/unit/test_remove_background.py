"""The steps together, with the real model on real pictures; no server."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pipeline.errors import DeadlineExceeded, NoSubjectFound, OutOfMemory
from pipeline.image.decode import decode
from pipeline.mask.components import select_subject
from pipeline.mask.segmenter import Prediction
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.options import Options
from pipeline.remove_background import Cutout, remove_background
from pipeline.request_timer import RequestTimer
from serving.responses import cutout_response
from tests.support.images import encoded, rembg_mask


def run(data: bytes, segmenter: Any, **options: Any) -> Cutout:
    return remove_background(
        data, Options(**options), segmenter, 25_000_000, RequestTimer(deadline=float("inf"))
    )


def pixels(answer: Cutout) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_a_photo(photo: bytes, segmenter: U2netpSegmenter) -> None:
    timer = RequestTimer(deadline=float("inf"))
    answer = remove_background(photo, Options(edges="raw"), segmenter, 25_000_000, timer)
    assert list(timer.milliseconds) == ["decode", "segment", "select", "encode"]
    assert answer.media_type == "image/png"
    assert answer.confidence is not None
    assert answer.confidence > 0.95
    cut = pixels(answer)
    assert cut.shape == (answer.height, answer.width, 4)
    source = np.asarray(Image.open(io.BytesIO(photo)))
    left, top, right, bottom = answer.subject.corners
    seen = cut[..., 3] > 0
    assert 0.4 < (cut[..., 3] > 240).mean() < 0.9
    assert np.array_equal(cut[seen][:, :3], source[top:bottom, left:right][seen])
    # The face is kept, the flag behind it is not.
    assert cut[110 - top, 220 - left, 3] > 240
    assert cut[60 - top, 60 - left, 3] < 30


def test_edges_are_refined_unless_raw_is_asked_for(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    refined, raw = (
        pixels(run(photo, segmenter, crop=False, edges=edges)) for edges in ("refined", "raw")
    )
    assert np.array_equal(refined, pixels(run(photo, segmenter, crop=False)))
    soft = [((picture[..., 3] > 25) & (picture[..., 3] < 230)).mean() for picture in (refined, raw)]
    assert 0 < soft[0] < 0.8 * soft[1]
    sure = (refined[..., 3] == 255) & (raw[..., 3] > 0)
    assert np.array_equal(refined[sure][:, :3], raw[sure][:, :3])
    partial = (refined[..., 3] > 0) & (refined[..., 3] < 255)
    assert (refined[partial][:, :3] != raw[partial][:, :3]).any(axis=1).mean() > 0.5


def test_what_has_its_own_transparency_keeps_its_colours(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    image = Image.open(io.BytesIO(photo)).convert("RGBA")
    image.putalpha(
        Image.linear_gradient("L").resize(image.size).point(lambda value: 155 + value * 100 // 255)
    )
    file = io.BytesIO()
    image.save(file, "PNG")
    cut = pixels(run(file.getvalue(), segmenter, crop=False))
    seen = cut[..., 3] > 0
    assert np.array_equal(cut[seen][:, :3], np.asarray(image)[seen][:, :3])


def test_crop_margin_and_mask_agree(photo: bytes, segmenter: U2netpSegmenter) -> None:
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


def test_an_oriented_photo_is_the_upright_one(photo: bytes, segmenter: U2netpSegmenter) -> None:
    upright = Image.open(io.BytesIO(photo)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = run(encoded(upright.transpose(Image.Transpose.ROTATE_90), exif=exif), segmenter)
    assert turned.content == run(encoded(upright), segmenter).content


def test_a_cut_out_picture_keeps_its_own_transparency(
    photo: bytes, segmenter: U2netpSegmenter
) -> None:
    image = Image.open(io.BytesIO(photo)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    again = pixels(run(encoded(image), segmenter, crop=False))
    assert (again[..., 3] <= np.asarray(image)[..., 3]).all()
    image.putalpha(0)
    with pytest.raises(NoSubjectFound):
        run(encoded(image), segmenter)


def test_deadline_between_two_steps(photo: bytes) -> None:
    timer = RequestTimer(deadline=time.monotonic() + 0.2)

    class Slow:
        input_size = (8, 8)

        def predict(self, model_image: Image.Image) -> Prediction:
            time.sleep(0.3)
            return Prediction(np.full((8, 8), 255, np.uint8), 1.0)

        def release_memory(self) -> None:
            raise AssertionError("a small picture needs no room")

    with pytest.raises(DeadlineExceeded):
        remove_background(photo, Options(), Slow(), 25_000_000, timer)
    assert list(timer.milliseconds) == ["decode", "segment"]


def test_a_model_without_a_peak_gives_no_confidence(photo: bytes) -> None:
    class Silent:
        input_size = (8, 8)
        peak: float | None = None

        def predict(self, model_image: Image.Image) -> Prediction:
            return Prediction(np.full((8, 8), 255, np.uint8), self.peak)

    segmenter = Silent()
    assert "X-Subject-Confidence" not in cutout_response(run(photo, segmenter), {}).headers
    segmenter.peak = 0.5
    assert cutout_response(run(photo, segmenter), {}).headers["X-Subject-Confidence"] == "0.5000"


def test_memory_that_runs_out_anywhere(photo: bytes) -> None:
    class Failing:
        input_size = (8, 8)

        def predict(self, model_image: Image.Image) -> Prediction:
            raise MemoryError

    with pytest.raises(OutOfMemory):
        run(photo, Failing())


def test_all_parts_uncropped_is_rembgs_mask(
    data: Path, segmenter: U2netpSegmenter, rembg_session: Any
) -> None:
    """Within 1/255 wherever the two keep the same components: out of LANCZOS's reach of the cells that we drop."""
    folder = data / "reference"
    for file in sorted(
        [
            *(folder / "rembg_golden" / "inputs").iterdir(),
            *(folder / "u2netp_official" / "images").iterdir(),
        ]
    ):
        theirs = rembg_mask(rembg_session, Image.open(file))
        ours = pixels(
            run(file.read_bytes(), segmenter, subject="all", crop=False, output="mask", edges="raw")
        ).astype(int)
        assert ours.shape == theirs.shape
        model_image = (
            decode(file.read_bytes(), 25_000_000).rgb().resize((320, 320), Image.Resampling.LANCZOS)
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
