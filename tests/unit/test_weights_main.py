"""`python -m pipeline.weights`, as `make setup` runs it."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StartupError
from pipeline.weights import store
from tests.support.environment import ROOT
from tests.support.serving import environment


@pytest.fixture
def settings(weights: bytes, tmp_path: Path) -> dict[str, str]:
    """A file with the weights, an empty store, and no network."""
    file = tmp_path / "u2netp.onnx"
    file.write_bytes(weights)
    home = str(tmp_path / "home")
    return {"BGR_MODEL_FILE": str(file), "BENTOML_HOME": home, "PIP_NO_INDEX": "1"}


def prepare(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.weights"]
    variables = environment(**settings)
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_model_is_prepared_once_and_again_when_it_is_damaged(
    settings: dict[str, str], tmp_path: Path
) -> None:
    first = prepare(settings)
    assert first.returncode == 0, first.stderr
    assert "stored u2netp" in first.stdout
    second = prepare(settings)
    assert "is in the store" in second.stdout
    assert "stored u2netp" not in second.stdout
    (stored,) = (tmp_path / "home" / "models" / "u2netp").glob("*/u2netp.onnx")
    assert "license: Apache-2.0" in (stored.parent / "model.yaml").read_text()
    stored.write_bytes(b"damaged")
    third = prepare(settings)
    assert "damaged" in third.stdout
    assert "stored u2netp" in third.stdout


def test_a_wrong_file_stops_it_with_one_sentence(settings: dict[str, str]) -> None:
    file = Path(settings["BGR_MODEL_FILE"])
    file.write_bytes(file.read_bytes()[:-1])
    result = prepare(settings)
    assert result.returncode == 1
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("model: BGR_MODEL_FILE")
    assert "truncated" in sentence


@pytest.mark.parametrize(("named", "file"), [("", None), ("/a.onnx", Path("/a.onnx"))])
def test_an_empty_setting_counts_as_unset(
    named: str, file: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(model_file: Path | None) -> None:
        raise StartupError(repr(model_file))

    monkeypatch.setattr(store, "store_model", stop)
    monkeypatch.setenv("BGR_MODEL_FILE", named)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("pipeline.weights", run_name="__main__")
    assert caught.value.code == f"model: {file!r}"
