"""Selection on small literal grids: no model, no files."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import NoSubjectFound
from pipeline.mask.components import select_subject
from pipeline.mask.segmenter import Prediction
from pipeline.mask.u2netp import U2netpSegmenter
from tests.support.images import FEATURELESS


def grid(*rows: str) -> NDArray[np.uint8]:
    """One letter a cell: . 0, - 60 (soft edge), + 140, # 255."""
    values = {".": 0, "-": 60, "+": 140, "#": 255}
    return np.array([[values[cell] for cell in row] for row in rows], np.uint8)


def seen(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with features, of the mask's size."""
    ramp = np.linspace(0, 255, mask.size).reshape(mask.shape).astype(np.uint8)
    return np.repeat(ramp[..., np.newaxis], 3, axis=2)


def chosen(
    mask: NDArray[np.uint8], parts: str = "largest", visible: NDArray[np.uint8] | None = None
) -> list[list[int]]:
    subject = select_subject(Prediction(mask, 1.0), seen(mask), visible, parts)  # type: ignore[arg-type]
    assert subject.mask.dtype == np.uint8
    values: list[list[int]] = subject.mask.tolist()
    return values


TWO = grid(
    "-###-..-#-",
    "-###-..-#-",
    ".---....-.",
)


def test_the_largest_keeps_its_soft_edge_and_the_others_are_gone() -> None:
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


def test_diagonal_neighbours_are_connected() -> None:
    mask = grid("#...", ".#..", "..#.", "...#")
    assert chosen(mask) == mask.tolist()


def test_a_soft_bridge_is_shared_by_nearness() -> None:
    assert chosen(grid("###----#", "###----#")) == grid("###--...", "###--...").tolist()


def test_a_faint_blob_of_its_own_stays_with_all_alone() -> None:
    blob = grid("##...-", "##...-")
    assert chosen(blob, "all") == blob.tolist()
    assert chosen(blob) == grid("##....", "##....").tolist()


def test_what_the_source_hides_is_no_subject() -> None:
    mask = grid("###..+", "###..+")
    visible = np.array([[0, 0, 0, 255, 255, 255]] * 2, np.uint8)
    kept = np.array(chosen(mask, visible=visible))
    # The visible part is stretched to full strength; the hidden one is no longer the largest.
    assert kept[:, 5].tolist() == [255, 255]
    with pytest.raises(NoSubjectFound):
        chosen(mask, visible=np.zeros_like(mask))


def test_confidence_is_the_probability_before_the_stretch() -> None:
    mask = grid("####", "++..")
    subject = select_subject(Prediction(mask, 0.5), seen(mask), None, "largest")
    assert subject.confidence == pytest.approx((4 * 255 + 2 * 140) / 6 / 255 * 0.5)


def test_confidence_is_unknown_without_a_peak() -> None:
    mask = grid("####", "++..")
    assert (
        select_subject(Prediction(mask, peak=None), seen(mask), None, "largest").confidence is None
    )


def test_nothing_salient() -> None:
    with pytest.raises(NoSubjectFound):
        chosen(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize("name", FEATURELESS)
def test_no_subject_in_flat_pictures_and_noise(name: str, segmenter: U2netpSegmenter) -> None:
    picture = Image.fromarray(FEATURELESS[name].astype(np.uint8)).resize(
        (320, 320), Image.Resampling.LANCZOS
    )
    with pytest.raises(NoSubjectFound):
        select_subject(segmenter.predict(picture), np.asarray(picture), None, "largest")


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
    assert confidence > 0.8
