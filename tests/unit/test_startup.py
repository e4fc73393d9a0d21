"""What is checked before any worker starts."""

import hashlib
from pathlib import Path

import pytest

from compat import MovedError, bentoml, starlette, uvicorn
from pipeline.errors import StartupError
from serving import startup
from serving.logging import LOGGER
from serving.settings import Settings
from serving.startup import check_libraries, check_model, warn_of_another_libjpeg


def test_the_locked_libraries_pass() -> None:
    check_libraries()


@pytest.mark.parametrize("library", [bentoml, starlette, uvicorn])
def test_a_library_that_has_changed_stops_the_start(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise MovedError("A library", "9.9", "an attribute")

    monkeypatch.setattr(library, "check", fail)
    with pytest.raises(StartupError, match=r"^A library 9\.9 .*an attribute"):
        check_libraries()


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that stand in for those that run in a process of their own."""
    (tmp_path / "compat.py").write_text("")
    rembg = tmp_path / "pipeline" / "mask"
    rembg.mkdir(parents=True)
    (rembg / "rembg.py").write_text("import sys; sys.exit('a line\\nno model ' + sys.argv[1])")
    monkeypatch.setattr(startup, "ROOT", tmp_path)
    return tmp_path


def test_the_sentence_of_a_check_in_its_own_process_stops_the_start(checks: Path) -> None:
    check_libraries()
    (checks / "compat.py").write_text("import sys; sys.exit('first\\nPillow 99 lacks it.')")
    with pytest.raises(StartupError, match=r"^Pillow 99 lacks it\.$"):
        check_libraries()


def test_a_check_that_says_nothing_is_named(checks: Path) -> None:
    (checks / "compat.py").write_text("import sys; sys.exit(3)")
    with pytest.raises(StartupError, match="check of compat failed"):
        check_libraries()


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A stored model and its labels."""
    (tmp_path / "u2netp.onnx").write_bytes(b"a model")
    return tmp_path, {"prepared_sha256": hashlib.sha256(b"a model").hexdigest()}


def test_a_damaged_model_stops_the_start(model: tuple[Path, dict[str, str]]) -> None:
    folder, labels = model
    check_model(Settings(), folder, labels)
    (folder / "u2netp.onnx").write_bytes(b"another")
    with pytest.raises(StartupError, match="damaged"):
        check_model(Settings(), folder, labels)


def test_rembgs_model_is_loaded_once_in_its_own_process(
    model: tuple[Path, dict[str, str]], checks: Path
) -> None:
    with pytest.raises(StartupError, match=r"^no model isnet$"):
        check_model(Settings(model="rembg:isnet"), *model)


@pytest.mark.parametrize("is_exact", [True, False])
def test_another_libjpeg_is_logged(
    is_exact: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    monkeypatch.setattr("pipeline.image.jpeg_planes.equals_pillow", lambda: is_exact)
    warn_of_another_libjpeg()
    assert ("libjpeg" in caplog.text) == (not is_exact)
