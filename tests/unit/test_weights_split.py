"""Tensors in parts: what is split, in which order it is computed, and that the results stay."""

from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from pipeline.weights import graph
from pipeline.weights.split import split_channels

MB = 1e6


def split_of(weights: bytes) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return the network before and after it is split."""
    before = onnx.load_model_from_string(weights)
    graph.drop_side_outputs(before)
    graph.fix_resizings(before)
    after = onnx.ModelProto()
    after.CopyFrom(before)
    split_channels(after)
    return before, after


@pytest.fixture(scope="module")
def networks(weights: bytes) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The network before and after it is split."""
    return split_of(weights)


def run(model: onnx.ModelProto, image: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (result,) = session.run(None, {session.get_inputs()[0].name: image})
    return np.asarray(result)


def peak_bytes(model: onnx.ModelProto) -> int:
    """Return the bytes of the tensors that live at once if the nodes run in the file's order.

    This counts 10 MB too many: onnxruntime adds while it convolves.
    """
    values = onnx.shape_inference.infer_shapes(model).graph.value_info
    sizes = {
        value.name: 4 * int(np.prod([side.dim_value for side in value.type.tensor_type.shape.dim]))
        for value in values
    }
    last = {name: at for at, node in enumerate(model.graph.node) for name in node.input}
    live, peak = set[str](), 0
    for at, node in enumerate(model.graph.node):
        # onnxruntime computes Relu with the node before it.
        live |= {*node.output}
        if node.op_type != "Relu":
            peak = max(peak, sum(sizes.get(name, 0) for name in live))
        live -= {name for name in live if last.get(name, -1) <= at}
    return peak


def test_the_results_stay(networks: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    image = np.random.default_rng(1).normal(size=(1, 3, 320, 320)).astype(np.float32)
    before, after = (run(model, image) for model in networks)
    assert np.ptp(before) > 0.1
    assert np.abs(before - after).max() < graph.TOLERANCE


def test_no_convolution_reads_a_concatenation_of_two(
    networks: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    concats = [len(node.input) for node in networks[1].graph.node if node.op_type == "Concat"]
    assert concats == [6]  # the six maps that are fused at the end


def test_the_large_tensors_are_halves(networks: tuple[onnx.ModelProto, onnx.ModelProto]) -> None:
    before, after = (
        max(
            int(np.prod([side.dim_value for side in value.type.tensor_type.shape.dim]))
            for value in onnx.shape_inference.infer_shapes(model).graph.value_info
        )
        for model in networks
    )
    assert (before, after) == (128 * 320 * 320, 32 * 320 * 320)


def test_less_memory_is_needed(
    networks: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    before, after = map(peak_bytes, networks)
    assert before > 110 * MB
    assert after < 90 * MB


def test_a_resizing_comes_just_before_its_first_reader_and_a_reduction_after_its_input(
    networks: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    after = networks[1].graph
    for node, following in pairwise(after.node):
        if node.op_type == "Resize" and following.op_type != "Resize":
            assert node.output[0] in following.input
    places = {output: at for at, node in enumerate(after.node) for output in node.output}
    kernels = {tensor.name: tensor.dims for tensor in after.initializer}
    for node in after.node:
        if node.op_type == "Conv" and kernels[node.input[1]][0] == 1:
            assert places[node.output[0]] - places[node.input[0]] < 6
