"""The rewritten network: another graph, the same results."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from pipeline.errors import StartupError
from pipeline.mask.u2netp import to_input
from pipeline.weights import graph
from tests.support.images import model_image_of


@pytest.fixture(scope="module")
def prepared(weights: bytes) -> bytes:
    """The rewritten network."""
    return graph.prepare(weights)


@pytest.fixture(scope="module")
def network(prepared: bytes) -> onnx.GraphProto:
    """Its graph."""
    return onnx.load_model_from_string(prepared).graph


def test_the_results_are_the_same(weights: bytes, prepared: bytes) -> None:
    assert 0 < graph.greatest_difference(weights, prepared) < graph.TOLERANCE
    assert graph.greatest_difference(weights, weights) == 0


def test_preparing_again_gives_the_same_bytes(weights: bytes, prepared: bytes) -> None:
    assert graph.prepare(weights) == prepared


def test_one_output_is_left_and_no_node_without_use(network: onnx.GraphProto) -> None:
    assert len(network.output) == 1
    kinds = {node.op_type for node in network.node}
    assert kinds == {"Conv", "Relu", "Add", "MaxPool", "Resize", "Concat", "Sigmoid"}


def test_every_resizing_is_by_a_constant(network: onnx.GraphProto) -> None:
    constants = {tensor.name for tensor in network.initializer}
    resizings = [node.input[-1] for node in network.node if node.op_type == "Resize"]
    assert set(resizings) <= constants
    by_kind = [name.split("/")[-1] for name in resizings]
    assert (by_kind.count("factors"), by_kind.count("sizes")) == (
        6,
        33,
    )  # one of the 38 is done in halves


def test_a_rewrite_that_changes_the_results_is_refused(
    weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        kernel = model.graph.initializer[0]
        values = onnx.numpy_helper.to_array(kernel) * 1.1
        kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))

    monkeypatch.setattr(graph, "split_channels", spoil)
    with pytest.raises(StartupError, match="differs from the original"):
        graph.prepare(weights)


@pytest.mark.slow
def test_the_stored_model_gives_the_same_maps_of_real_photos(
    weights: bytes, model_file: Path, data: Path
) -> None:
    original, stored = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        for model in (weights, model_file.read_bytes())
    )
    photos = sorted((data / "photos").glob("*.jpg"))[::2]
    assert photos
    for photo in photos:
        tensor = to_input(model_image_of(photo.read_bytes()))
        theirs = original.run(None, {original.get_inputs()[0].name: tensor})[0]
        ours = stored.run(None, {stored.get_inputs()[0].name: tensor})[0]
        assert np.abs(theirs - ours).max() < 1e-4, photo.name
