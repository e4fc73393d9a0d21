"""Subjects chosen on small literal grids, and on images without a subject."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.image.box import Box
from pipeline.mask.components import select_subject
from pipeline.mask.confidence import calibrate
from pipeline.mask.segmenter import Prediction
from pipeline.mask.u2netp import U2netpSegmenter
from tests.support.images import FEATURELESS


def grid(*rows: str) -> NDArray[np.uint8]:
    """Return a mask of one letter per cell: . is 0, - is 60 (a soft edge), + is 140, # is 255."""
    values = {".": 0, "-": 60, "+": 140, "#": 255}
    return np.array([[values[cell] for cell in row] for row in rows], np.uint8)


def model_image(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a gradient of the mask's size: an image that is neither flat nor noise."""
    ramp = np.linspace(0, 255, mask.size).reshape(mask.shape).astype(np.uint8)
    return np.repeat(ramp[..., np.newaxis], 3, axis=2)


def chosen(
    mask: NDArray[np.uint8], parts: str = "largest", visible: NDArray[np.uint8] | None = None
) -> list[list[int]]:
    subject = select_subject(Prediction(mask, 1.0), model_image(mask), visible, parts)  # type: ignore[arg-type]
    assert subject.mask.dtype == np.uint8
    values: list[list[int]] = subject.mask.tolist()
    return values


TWO = grid(
    "-###-..-#-",
    "-###-..-#-",
    ".---....-.",
)


def test_largest_keeps_one_part_with_its_soft_edge() -> None:
    assert chosen(TWO) == grid("-###-.....", "-###-.....", ".---......").tolist()


def test_all_keeps_every_part() -> None:
    assert chosen(TWO, "all") == TWO.tolist()


def test_all_drops_specks_under_one_percent() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[:, :15] = 255  # 300 cells
    mask[0, 20:23] = 255  # 3 cells: 1 %
    mask[10, 20:22] = 255  # 2 cells
    kept = np.array(chosen(mask, "all"))
    assert kept[0, 20:23].all()
    assert not kept[10, 20:].any()
    assert kept[10, :15].all()


def test_parts_of_one_percent_count_whether_they_are_kept_or_not() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[2:12, 3:13] = 255  # 100 cells
    mask[15, 20] = 255  # 1 %
    for parts in ("largest", "all"):
        subject = select_subject(Prediction(mask, 1.0), model_image(mask), None, parts)
        assert (subject.parts, subject.extent) == (2, Box.between(3, 2, 21, 16))
    mask[1:13, 2:14] = 255  # 144 cells
    speckled = select_subject(Prediction(mask, 1.0), model_image(mask), None, "all")
    assert (speckled.parts, speckled.extent) == (1, Box.between(2, 1, 14, 13))


def test_diagonal_neighbors_are_connected() -> None:
    mask = grid("#...", ".#..", "..#.", "...#")
    assert chosen(mask) == mask.tolist()


def test_a_soft_bridge_is_cut_halfway() -> None:
    assert chosen(grid("###----#", "###----#")) == grid("###--...", "###--...").tolist()


def test_a_faint_region_by_itself_is_kept_by_all_only() -> None:
    blob = grid("##...-", "##...-")
    assert chosen(blob, "all") == blob.tolist()
    assert chosen(blob) == grid("##....", "##....").tolist()


def test_a_part_that_the_source_hides_is_not_the_subject() -> None:
    mask = grid("###..+", "###..+")
    visible = np.array([[0, 0, 0, 255, 255, 255]] * 2, np.uint8)
    kept = np.array(chosen(mask, visible=visible))
    # The visible part is normalized to 255; the hidden one is no longer the largest.
    assert kept[:, 5].tolist() == [255, 255]
    assert not kept[:, :5].any()
    with pytest.raises(NoSubjectFound):
        chosen(mask, visible=np.zeros_like(mask))


def test_the_confidence_is_calibrated_from_the_mean_probability_before_normalization() -> None:
    mask = grid("####", "++..")
    subject = select_subject(Prediction(mask, 0.5), model_image(mask), None, "largest")
    assert subject.confidence == pytest.approx(calibrate((4 * 255 + 2 * 140) / 6 / 255 * 0.5))


def test_without_a_peak_there_is_no_confidence() -> None:
    mask = grid("####", "++..")
    assert (
        select_subject(Prediction(mask, peak=None), model_image(mask), None, "largest").confidence
        is None
    )


def test_a_mask_of_zeros_has_no_subject() -> None:
    with pytest.raises(NoSubjectFound):
        chosen(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("name", FEATURELESS)
def test_a_flat_image_and_noise_have_no_subject(name: str, segmenter: U2netpSegmenter) -> None:
    image = Image.fromarray(FEATURELESS[name].astype(np.uint8)).resize(
        (320, 320), Image.Resampling.LANCZOS
    )
    with pytest.raises(NoSubjectFound):
        select_subject(segmenter.predict(image), np.asarray(image), None, "largest")


@pytest.mark.parametrize("seed", range(3))
def test_noise_over_a_subject_does_not_hide_it(
    seed: int, segmenter: U2netpSegmenter, photo: bytes
) -> None:
    image = Image.open(io.BytesIO(photo)).resize((320, 320), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(seed).normal(0, 25, (320, 320, 3))
    noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    prediction = segmenter.predict(Image.fromarray(noisy))
    confidence = select_subject(prediction, noisy, None, "largest").confidence
    assert confidence is not None
    assert confidence > calibrate(0.8)
