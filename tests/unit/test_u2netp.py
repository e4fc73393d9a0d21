"""The default model: rembg's mask, by another session."""

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageOps

from pipeline.errors import OutOfMemory, StartupError
from pipeline.image.decode import decode
from pipeline.mask.u2netp import U2netpSegmenter, normalize, to_input
from tests.support.images import MAX_PIXELS, model_image_of, reference_images, rembg_mask


def test_the_input_is_rembgs(photo: bytes, rembg_session: Any) -> None:
    image = model_image_of(photo)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    (theirs,) = rembg_session.normalize(image, mean, deviation, (320, 320)).values()
    ours = to_input(image)
    assert ours.dtype == np.float32
    assert ours.shape == (1, 3, 320, 320)
    assert np.array_equal(ours, theirs)


def test_an_all_black_image_is_not_divided_by_zero() -> None:
    assert np.isfinite(to_input(Image.new("RGB", (320, 320)))).all()


def test_the_mask_is_rembgs(photo: bytes, segmenter: U2netpSegmenter, rembg_session: Any) -> None:
    theirs = np.asarray(rembg_session.predict(model_image_of(photo))[0]).astype(int)
    prediction = segmenter.predict(model_image_of(photo))
    assert np.abs(prediction.mask - theirs).max() <= 1
    assert prediction.peak is not None
    assert 0.99 < prediction.peak <= 1


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_the_mask_of_every_reference_image_is_rembgs(
    step: int, data: Path, segmenter: U2netpSegmenter, rembg_session: Any
) -> None:
    for file in reference_images(data / "reference")[::step]:
        image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
        model_image = image.resize((320, 320), Image.Resampling.LANCZOS)
        mask = Image.fromarray(segmenter.predict(model_image).mask)
        ours = np.asarray(mask.resize(image.size, Image.Resampling.LANCZOS)).astype(int)
        assert np.abs(ours - rembg_mask(rembg_session, image)).max() <= 1, file.name


@pytest.mark.slow
def test_the_authors_own_maps_are_near(data: Path, segmenter: U2netpSegmenter) -> None:
    folder = data / "reference" / "u2netp_official"
    files = sorted((folder / "images").iterdir())
    assert files
    for file in files:
        size = Image.open(file).size
        mask = Image.fromarray(segmenter.predict(model_image_of(file.read_bytes())).mask)
        ours = np.asarray(mask.resize(size, Image.Resampling.LANCZOS)).astype(int)
        with Image.open(folder / "maps" / f"{file.stem}.png") as theirs:
            difference = np.abs(ours - np.asarray(theirs.convert("L").resize(size))).mean()
        assert difference < 0.03 * 255, file.name


@pytest.mark.slow
def test_the_mask_of_a_large_photo_is_that_of_the_exact_reduction(
    data: Path, segmenter: U2netpSegmenter
) -> None:
    photos = sorted((data / "photos" / "large").glob("*.jpg"))
    assert len(photos) >= 4
    for file in photos:
        image = decode(file.read_bytes(), MAX_PIXELS)
        exact = image.rgb().resize((320, 320), Image.Resampling.LANCZOS)
        theirs = segmenter.predict(exact).mask.astype(int)
        ours = segmenter.predict(image.reduced((320, 320))).mask.astype(int)
        assert np.abs(ours - theirs).mean() < 0.3, file.name
        both, either = (ours > 127) & (theirs > 127), (ours > 127) | (theirs > 127)
        assert both.sum() / either.sum() > 0.995, file.name


@pytest.mark.parametrize("value", [0.0, 0.3, float("nan"), float("inf")])
def test_a_flat_or_broken_map_has_nothing_salient(value: float) -> None:
    prediction = normalize(np.full((320, 320), value, np.float32))
    assert not prediction.mask.any()
    assert prediction.peak == 0


def test_a_map_is_normalized_to_the_whole_range() -> None:
    prediction = normalize(np.array([[0.2, 0.3], [0.4, 0.6]], np.float32))
    assert prediction.mask.tolist() == [[0, 63], [127, 255]]
    assert prediction.peak == pytest.approx(0.6)


def test_a_peak_is_at_most_1() -> None:
    assert normalize(np.array([[0, 1.0000001]], np.float32)).peak == 1


def test_a_file_that_is_not_a_model_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"no model")
    with pytest.raises(StartupError, match="make setup"):
        U2netpSegmenter(tmp_path / "u2netp.onnx", threads=1)


class Failing:
    """A session whose inferences fail."""

    def __init__(self, message: str) -> None:
        self.message = message

    def run(self, *_: object) -> None:
        raise RuntimeError(self.message)


def test_an_allocation_that_fails_is_out_of_memory(
    segmenter: U2netpSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.new("RGB", (320, 320))
    failed = Failing("Failed to allocate memory for requested buffer of size 1")
    monkeypatch.setattr(segmenter, "_session", failed)
    with pytest.raises(OutOfMemory):
        segmenter.predict(image)
    monkeypatch.setattr(segmenter, "_session", Failing("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        segmenter.predict(image)


def test_released_memory_is_returned_and_allocated_again(
    segmenter: U2netpSegmenter, photo: bytes
) -> None:
    before = segmenter.predict(model_image_of(photo)).mask
    held = psutil.Process().memory_info().rss
    segmenter.release_memory()
    assert held - psutil.Process().memory_info().rss > 60_000_000
    assert np.array_equal(segmenter.predict(model_image_of(photo)).mask, before)
