import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageOps

from pipeline.errors import OutOfMemory, StartupError
from pipeline.image.decode import decode
from pipeline.mask.rembg import RembgSegmenter
from pipeline.mask.segmenter import load_segmenter
from pipeline.mask.u2netp import U2netpSegmenter, normalize, to_input
from tests.support.images import rembg_mask


def test_input_is_rembgs(photo: bytes, rembg_session: Any) -> None:
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    (theirs,) = rembg_session.normalize(
        image, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (320, 320)
    ).values()
    ours = to_input(image.resize((320, 320), Image.Resampling.LANCZOS))
    assert ours.dtype == np.float32
    assert ours.shape == (1, 3, 320, 320)
    assert np.array_equal(ours, theirs)


def test_mask_is_rembgs(photo: bytes, segmenter: U2netpSegmenter, rembg_session: Any) -> None:
    model_image = (
        Image.open(io.BytesIO(photo)).convert("RGB").resize((320, 320), Image.Resampling.LANCZOS)
    )
    theirs = np.asarray(rembg_session.predict(model_image)[0]).astype(int)
    prediction = segmenter.predict(model_image)
    assert np.abs(prediction.mask - theirs).max() <= 1
    assert prediction.peak is not None
    assert prediction.peak > 0.99


def test_rembg_runner_gives_the_same_mask(
    photo: bytes, segmenter: U2netpSegmenter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = load_segmenter("rembg:u2netp", Path("unused"), threads=2)
    assert isinstance(other, RembgSegmenter)
    assert other.input_size == (320, 320)
    model_image = (
        Image.open(io.BytesIO(photo)).convert("RGB").resize((320, 320), Image.Resampling.LANCZOS)
    )
    assert (
        np.abs(
            other.predict(model_image).mask.astype(int) - segmenter.predict(model_image).mask
        ).max()
        <= 1
    )
    assert other.predict(model_image).peak is None


def test_rembg_model_that_does_not_exist() -> None:
    with pytest.raises(
        StartupError, match=r"no local model of rembg; choose one of .*isnet-general-use"
    ):
        load_segmenter("rembg:nothing", Path("unused"), threads=2)


def test_rembg_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(StartupError, match=r"requirements/rembg\.txt"):
        load_segmenter("rembg:u2net", Path("unused"), threads=2)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(b"no model")
    with pytest.raises(StartupError, match="make setup"):
        U2netpSegmenter(tmp_path / "u2netp.onnx", threads=1)


def test_an_allocation_that_fails_is_out_of_memory(
    segmenter: U2netpSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1")

    monkeypatch.setattr(segmenter, "_session", Failing())
    with pytest.raises(OutOfMemory):
        segmenter.predict(Image.new("RGB", (320, 320)))


def test_released_memory_is_given_back_and_taken_anew(
    segmenter: U2netpSegmenter, photo: bytes
) -> None:
    model_image = (
        Image.open(io.BytesIO(photo)).convert("RGB").resize((320, 320), Image.Resampling.LANCZOS)
    )
    before = segmenter.predict(model_image).mask
    held = psutil.Process().memory_info().rss
    segmenter.release_memory()
    assert held - psutil.Process().memory_info().rss > 60_000_000
    assert np.array_equal(segmenter.predict(model_image).mask, before)


def test_an_all_black_picture_divides_by_nothing() -> None:
    assert np.isfinite(to_input(Image.new("RGB", (320, 320)))).all()


@pytest.mark.parametrize("value", [0.0, 0.3, float("nan"), float("inf")])
def test_a_flat_or_broken_map_has_nothing_salient(value: float) -> None:
    prediction = normalize(np.full((320, 320), value, np.float32))
    assert not prediction.mask.any()
    assert prediction.peak == 0


def test_stretch_uses_the_whole_range() -> None:
    prediction = normalize(np.array([[0.2, 0.3], [0.4, 0.6]], np.float32))
    assert prediction.mask.tolist() == [[0, 63], [127, 255]]
    assert prediction.peak == pytest.approx(0.6)


def reference_pictures(folder: Path) -> list[Path]:
    return sorted(
        [
            *(folder / "rembg_golden" / "inputs").iterdir(),
            *(folder / "u2netp_official" / "images").iterdir(),
        ]
    )


def test_every_reference_picture_has_rembgs_mask(
    data: Path, segmenter: U2netpSegmenter, rembg_session: Any
) -> None:
    pictures = reference_pictures(data / "reference")
    assert len(pictures) > 10
    for file in pictures:
        image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
        model_image = image.resize((320, 320), Image.Resampling.LANCZOS)
        ours = Image.fromarray(segmenter.predict(model_image).mask).resize(
            image.size, Image.Resampling.LANCZOS
        )
        assert np.abs(np.asarray(ours).astype(int) - rembg_mask(rembg_session, image)).max() <= 1, (
            file.name
        )


def test_the_authors_own_maps_are_near(data: Path, segmenter: U2netpSegmenter) -> None:
    folder = data / "reference" / "u2netp_official"
    for file in sorted((folder / "images").iterdir()):
        image = Image.open(file).convert("RGB")
        ours = segmenter.predict(image.resize((320, 320), Image.Resampling.LANCZOS)).mask
        enlarged = (
            np.asarray(Image.fromarray(ours).resize(image.size, Image.Resampling.LANCZOS)) / 255
        )
        theirs = (
            np.asarray(
                Image.open(folder / "maps" / f"{file.stem}.png").convert("L").resize(image.size)
            )
            / 255
        )
        assert np.abs(enlarged - theirs).mean() < 0.03, file.name


def test_large_photos_have_the_mask_of_the_exact_reduction(
    data: Path, segmenter: U2netpSegmenter
) -> None:
    photos = sorted((data / "photos" / "large").glob("*.jpg"))
    assert len(photos) >= 4
    for file in photos:
        picture = decode(file.read_bytes(), 25_000_000)
        theirs = segmenter.predict(
            picture.rgb().resize((320, 320), Image.Resampling.LANCZOS)
        ).mask.astype(int)
        ours = segmenter.predict(picture.reduced((320, 320))).mask.astype(int)
        assert np.abs(ours - theirs).mean() < 0.3, file.name
        assert ((ours > 127) & (theirs > 127)).sum() / (
            (ours > 127) | (theirs > 127)
        ).sum() > 0.998, file.name
