"""The private parts of Pillow: each is where it was, and each check notices when it is not."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import PIL
import pytest
from PIL import AvifImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from compat import MovedError, pillow
from tests.support.environment import ROOT


def test_everything_is_where_it_was() -> None:
    pillow.check()


def without(plugin: Any, attribute: str, method: str) -> Any:
    """A method of an image that removes one of its attributes once it is done."""
    original = getattr(plugin, method)

    def changed(self: Any, *arguments: Any) -> Any:
        result = original(self, *arguments)
        vars(self).pop(attribute, None)
        return result

    return changed


def renamed_codec(self: Any, *arguments: Any) -> None:
    ORIGINAL_SETUP(self, *arguments)
    self.tile = [tile._replace(codec_name="another") for tile in self.tile]


ORIGINAL_SETUP = TiffImagePlugin.TiffImageFile._setup
Jpeg, Tiff, Avif = (
    JpegImagePlugin.JpegImageFile,
    TiffImagePlugin.TiffImageFile,
    AvifImagePlugin.AvifImageFile,
)


@pytest.mark.parametrize(
    ("where", "name", "value", "sentence"),
    [
        (Jpeg, "_open", without(Jpeg, "layer", "_open"), "a JPEG's samplings"),
        (Tiff, "_open", without(Tiff, "tag_v2", "_open"), "a TIFF's tags"),
        (Tiff, "_setup", renamed_codec, "the name of a TIFF's decoder"),
        (Avif, "load", without(Avif, "_decoder", "load"), "an AVIF's decoder"),
        (pillow, "_libwebp", lambda: object(), "libwebp"),
        (ImageFile.ImageFile, "load", lambda _: None, "an AVIF's decoder"),
    ],
)
def test_what_has_moved_is_named(
    where: Any, name: str, value: Any, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, value)
    with pytest.raises(MovedError) as raised:
        pillow.check()
    assert str(raised.value).startswith(
        f"Pillow {PIL.__version__} lacks a private API that this service uses: {sentence};"
    )


def test_a_limit_of_texts_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(PngImagePlugin, "MAX_TEXT_MEMORY")
    with pytest.raises(MovedError, match="PNG's texts"):
        pillow.check()


def test_the_command() -> None:
    script = "import runpy; from PIL import PngImagePlugin; {}runpy.run_module('compat', run_name='__main__')"
    for change, status in (("", 0), ("del PngImagePlugin.MAX_TEXT_MEMORY; ", 1)):
        command = [sys.executable, "-c", script.format(change)]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == status
        assert len(result.stderr.splitlines()) == status


def test_compat_is_the_lowest_layer_and_alone_in_its_use() -> None:
    """It imports nothing of ours, and nothing of the pipeline reads private parts of Pillow."""
    for file in (ROOT / "compat").glob("*.py"):
        assert imported(file) & {"pipeline", "serving", "service", "bench", "tests"} == set()
    for file in (ROOT / "pipeline").glob("*.py"):
        source = file.read_text()
        for private in (
            "import _webp",
            ", _webp",
            "vars(image)",
            "._decoder",
            ".tag_v2",
            "MAX_TEXT_MEMORY",
            "codec_name",
        ):
            assert private not in source, file.name
        assert ".find(b" not in source, file.name  # headers are read by their structure


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports."""
    packages = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.partition(".")[0])
    return packages
