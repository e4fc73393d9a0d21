"""The prepared model in BentoML's store, and the check of it."""

import hashlib
from pathlib import Path

import bentoml
import pytest

from pipeline.errors import StartupError
from pipeline.weights.fetch import WEIGHTS_SHA256
from pipeline.weights.store import (
    GRAPH_REVISION,
    LICENSE_FILE,
    MODEL_FILE,
    MODEL_TAG,
    check_stored,
    find_model,
)

CONTENT = b"a model"
LABELS = {"prepared_sha256": hashlib.sha256(CONTENT).hexdigest()}


def test_the_stored_model_is_labeled_with_what_it_was_made_of(model_file: Path) -> None:
    stored = bentoml.models.get(MODEL_TAG)
    labels = stored.info.labels
    assert stored.tag.version == f"{WEIGHTS_SHA256[:12]}-{GRAPH_REVISION}"
    assert labels["weights_sha256"] == WEIGHTS_SHA256
    assert labels["prepared_sha256"] == hashlib.sha256(model_file.read_bytes()).hexdigest()
    assert labels["source"]


def test_the_model_is_found_where_bentoml_finds_it(model_file: Path) -> None:
    assert find_model() == model_file


def test_a_bento_has_its_own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BENTO_PATH", str(tmp_path / "bento"))
    with pytest.raises(StartupError, match="not in BentoML's store: run `make setup`"):
        find_model()
    for place in ("home", "bento"):
        file = tmp_path / place / "models" / MODEL_TAG.replace(":", "/") / MODEL_FILE
        file.parent.mkdir(parents=True)
        file.touch()
        assert find_model() == file


def test_the_license_is_stored_beside_it(model_file: Path) -> None:
    assert "Apache License" in (model_file.parent / LICENSE_FILE).read_text()


def test_a_file_with_the_labeled_checksum_is_returned(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(CONTENT)
    assert check_stored(tmp_path, LABELS) == tmp_path / MODEL_FILE


@pytest.mark.parametrize(
    ("content", "labels", "sentence"),
    [
        (None, LABELS, "no readable u2netp.onnx in the store: run `make setup`"),
        (CONTENT[:-1], LABELS, "damaged .*run `make setup`"),
        (CONTENT, {}, "damaged"),
    ],
)
def test_a_missing_or_damaged_file_stops_the_start(
    content: bytes | None, labels: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(StartupError, match=sentence):
        check_stored(tmp_path, labels)
