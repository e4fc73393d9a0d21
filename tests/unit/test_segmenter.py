"""Which model a setting loads."""

from pathlib import Path

import pytest

from pipeline.mask import rembg, u2netp
from pipeline.mask.segmenter import load_segmenter


class Loaded:
    """Records what a segmenter is loaded with."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments


def test_u2netp_is_loaded_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(u2netp, "U2netpSegmenter", Loaded)
    loaded = load_segmenter("u2netp", Path("u2netp.onnx"), threads=3)
    assert isinstance(loaded, Loaded)
    assert loaded.arguments == (Path("u2netp.onnx"), 3)


def test_any_other_model_is_loaded_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rembg, "RembgSegmenter", Loaded)
    loaded = load_segmenter("rembg:isnet-general-use", Path("unused"), threads=3)
    assert isinstance(loaded, Loaded)
    assert loaded.arguments == ("isnet-general-use",)
