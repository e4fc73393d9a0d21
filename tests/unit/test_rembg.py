"""rembg's own models, through its sessions."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import StartupError
from pipeline.mask.rembg import RembgSegmenter
from pipeline.mask.u2netp import U2netpSegmenter
from tests.support.environment import ROOT
from tests.support.images import model_image_of
from tests.support.serving import environment


@pytest.fixture
def rembg_u2netp(rembg_session: Any, monkeypatch: pytest.MonkeyPatch) -> RembgSegmenter:
    """The segmenter on a session that is loaded already."""
    import rembg

    def new_session(name: str) -> Any:
        assert name == "u2netp"
        return rembg_session

    monkeypatch.setattr(rembg, "new_session", new_session)
    return RembgSegmenter("u2netp")


def test_the_mask_is_the_one_of_our_own_session(
    photo: bytes, segmenter: U2netpSegmenter, rembg_u2netp: RembgSegmenter
) -> None:
    assert rembg_u2netp.input_size == (320, 320)
    prediction = rembg_u2netp.predict(model_image_of(photo))
    ours = segmenter.predict(model_image_of(photo)).mask.astype(int)
    assert prediction.mask.shape == (320, 320)
    assert np.abs(ours - prediction.mask).max() <= 1
    assert prediction.peak is None
    rembg_u2netp.release_memory()
    assert np.array_equal(rembg_u2netp.predict(model_image_of(photo)).mask, prediction.mask)


class Session:
    """A session of rembg whose model takes images of `shape`."""

    def __init__(self, *shape: object) -> None:
        tensor = SimpleNamespace(shape=list(shape))
        self.inner_session = SimpleNamespace(get_inputs=lambda: [tensor])

    def predict(self, model_image: Image.Image) -> list[Image.Image]:
        return [Image.new("RGB", model_image.size, (200, 200, 200))]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 3, 320, 320), (320, 320)),
        ((1, 3, 200, 300), (300, 200)),
        (("batch", 3, "height", "width"), (1024, 1024)),
        ((1, 3, None, 320), (1024, 1024)),
    ],
)
def test_the_size_is_that_of_the_models_input(
    shape: tuple[object, ...], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rembg

    monkeypatch.setattr(rembg, "new_session", lambda name: Session(*shape))
    segmenter = RembgSegmenter("u2netp")
    assert segmenter.input_size == size
    mask = segmenter.predict(Image.new("RGB", size)).mask
    assert (mask.shape, mask.max()) == ((size[1], size[0]), 200)
    assert mask.dtype == np.uint8


def test_a_model_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(StartupError, match=r"no local model .*isnet-general-use.*u2netp"):
        RembgSegmenter("nothing")


def test_without_rembg_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(StartupError, match=r"BGR_MODEL=rembg:u2net .*requirements/rembg\.txt"):
        RembgSegmenter("u2net")


def test_a_model_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import rembg

    def fail(name: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(rembg, "new_session", fail)
    with pytest.raises(StartupError, match="its model u2net: no network"):
        RembgSegmenter("u2net")


@pytest.mark.slow
def test_the_command_ends_with_the_sentence() -> None:
    command = [sys.executable, "-m", "pipeline.mask.rembg", "nothing"]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "no local model of rembg" in result.stderr.splitlines()[-1]
