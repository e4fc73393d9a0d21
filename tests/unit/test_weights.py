import hashlib
import subprocess
import sys
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime
import pytest
from PIL import Image

from pipeline.errors import StartupError
from pipeline.mask.u2netp import U2netpSegmenter, to_input
from pipeline.weights import fetch, graph, store
from pipeline.weights.fetch import WEIGHTS_SHA256, find_weights
from tests.support.environment import ROOT
from tests.support.serving import environment


@pytest.fixture(scope="session")
def weights() -> bytes:
    return find_weights().content


def run_setup(**settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.weights"]
    return subprocess.run(
        command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=False
    )


def test_the_stored_model_says_what_it_is() -> None:
    stored = bentoml.models.get(store.MODEL_TAG)
    labels = stored.info.labels
    assert stored.tag.version == f"{WEIGHTS_SHA256[:12]}-{store.GRAPH_REVISION}"
    assert labels["weights_sha256"] == WEIGHTS_SHA256
    assert (
        labels["prepared_sha256"]
        == hashlib.sha256((Path(stored.path) / store.MODEL_FILE).read_bytes()).hexdigest()
    )
    assert labels["source"]
    assert "Apache License" in (Path(stored.path) / store.LICENSE_FILE).read_text()


def test_preparation_changes_the_graph_and_not_its_answers(weights: bytes) -> None:
    import onnx

    prepared = graph.prepare(weights)
    assert graph.greatest_difference(weights, prepared) < graph.TOLERANCE
    network = onnx.load_model_from_string(prepared).graph
    assert len(network.output) == 1
    concats = {
        node.output[0] for node in network.node if node.op_type == "Concat" and len(node.input) == 2
    }
    assert not [
        node for node in network.node if node.op_type == "Conv" and node.input[0] in concats
    ]
    assert sum(node.op_type == "Conv" for node in network.node) == 119 + 50
    # Every resizing is by a constant, and nothing is left of the sums that made its size.
    resizings = [node.input[-1].split("/")[-1] for node in network.node if node.op_type == "Resize"]
    assert (resizings.count("factors"), resizings.count("sizes")) == (5, 33)
    assert {node.op_type for node in network.node} == {
        "Conv",
        "Relu",
        "Add",
        "MaxPool",
        "Resize",
        "Concat",
        "Sigmoid",
    }
    assert graph.prepare(weights) == prepared


def test_a_preparation_that_changes_answers_is_refused(
    weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    def spoil(graph_model: onnx.ModelProto) -> None:
        kernel = graph_model.graph.initializer[0]
        values = onnx.numpy_helper.to_array(kernel) * 1.1
        kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))

    monkeypatch.setattr(graph, "split_concat_convolutions", spoil)
    with pytest.raises(StartupError, match="differs from the original"):
        graph.prepare(weights)


def test_the_stored_model_answers_as_the_original(
    weights: bytes, model_file: Path, data: Path
) -> None:
    original = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])
    stored = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
    for photo in sorted((data / "photos").glob("*.jpg")):
        tensor = to_input(
            Image.open(photo)
            .convert("RGB")
            .resize(U2netpSegmenter.input_size, Image.Resampling.LANCZOS)
        )
        theirs = original.run(None, {original.get_inputs()[0].name: tensor})[0]
        ours = stored.run(None, {stored.get_inputs()[0].name: tensor})[0]
        assert np.abs(theirs - ours).max() < 1e-4


@pytest.mark.parametrize("fault", ["truncated", "swapped", "missing"])
def test_a_wrong_file_stops_with_a_sentence(fault: str, weights: bytes, tmp_path: Path) -> None:
    file = tmp_path / "u2netp.onnx"
    if fault != "missing":
        file.write_bytes(
            weights[:-1] if fault == "truncated" else weights[:-1] + bytes([weights[-1] ^ 1])
        )
    result = run_setup(BGR_MODEL_FILE=str(file), BENTOML_HOME=str(tmp_path / "home"))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    expected = {
        "truncated": "it is truncated",
        "swapped": "wrong checksum",
        "missing": "cannot be read",
    }
    assert expected[fault] in result.stderr


def test_set_up_from_a_file_with_no_network_and_twice(weights: bytes, tmp_path: Path) -> None:
    file = tmp_path / "u2netp.onnx"
    file.write_bytes(weights)
    settings = {
        "BGR_MODEL_FILE": str(file),
        "BENTOML_HOME": str(tmp_path / "home"),
        "PIP_NO_INDEX": "1",
    }
    first = run_setup(**settings)
    assert first.returncode == 0, first.stderr
    assert "stored u2netp" in first.stdout
    second = run_setup(**settings)
    assert "is in the store" in second.stdout
    stored = next((tmp_path / "home" / "models" / "u2netp").glob("*/u2netp.onnx"))
    stored.write_bytes(b"damaged")
    third = run_setup(**settings)
    assert "damaged" in third.stdout
    assert "stored u2netp" in third.stdout


def test_the_cache_of_rembg_is_used(
    weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "u2netp.onnx").write_bytes(weights)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setattr(fetch, "_from_wheel", pytest.fail)
    assert find_weights().source.startswith("rembg's cache")


def test_without_any_source_the_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setattr(fetch, "RELEASE", "http://127.0.0.1:9/u2netp.onnx")
    with pytest.raises(StartupError, match=r"set BGR_MODEL_FILE"):
        find_weights()
