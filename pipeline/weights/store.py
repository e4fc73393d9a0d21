"""The prepared model in BentoML's model store.

U²-Net's license (Apache-2.0) is stored beside the weights.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import StartupError
from pipeline.weights.fetch import WEIGHTS_SHA256, find_weights

# Increment the revision when graph.py or split.py changes: the version identifies the weights and
# the rewrite.
GRAPH_REVISION = 3
MODEL_NAME = "u2netp"
MODEL_VERSION = f"{WEIGHTS_SHA256[:12]}-{GRAPH_REVISION}"
MODEL_TAG = f"{MODEL_NAME}:{MODEL_VERSION}"
MODEL_FILE = "u2netp.onnx"
LICENSE_FILE = "LICENSE"

_LICENSE = Path(__file__).parent / "U2NET-LICENSE"


def store_model(model_file: Path | None = None) -> str:
    """Store the prepared model unless BentoML's store has it; return its tag.

    `model_file` is that of `find_weights`. Raises StartupError with a sentence that says what to
    change.
    """
    import bentoml

    from pipeline.weights.graph import prepare

    try:
        stored = bentoml.models.get(MODEL_TAG)
        check_stored(Path(stored.path), stored.info.labels)
    except bentoml.exceptions.NotFound:
        pass
    except StartupError as exc:
        print(f"model: {exc} Preparing it again.", flush=True)
        bentoml.models.delete(MODEL_TAG)
    else:
        print(f"model: {MODEL_TAG} is in the store", flush=True)
        return MODEL_TAG
    weights = find_weights(model_file)
    print(f"model: preparing {MODEL_TAG} from {weights.source}", flush=True)
    prepared = prepare(weights.content)
    labels = {
        "source": weights.source,
        "license": "Apache-2.0",
        "weights_sha256": WEIGHTS_SHA256,
        "prepared_sha256": hashlib.sha256(prepared).hexdigest(),
    }
    with bentoml.models.create(MODEL_TAG, labels=labels) as model:
        Path(model.path_of(MODEL_FILE)).write_bytes(prepared)
        shutil.copyfile(_LICENSE, model.path_of(LICENSE_FILE))
    print(f"model: stored {MODEL_TAG}", flush=True)
    return MODEL_TAG


def find_model() -> Path:
    """Return the model file of this Bento, or of BentoML's store, without importing BentoML.

    BentoML would take 60 MB and a second. Raises StartupError if there is no such file.
    """
    stores = [os.environ.get("BENTO_PATH"), os.environ.get("BENTOML_HOME", "~/bentoml")]
    for store in filter(None, stores):
        file = Path(store).expanduser() / "models" / MODEL_NAME / MODEL_VERSION / MODEL_FILE
        if file.exists():
            return file
    raise StartupError(f"The model {MODEL_TAG} is not in BentoML's store: run `make setup`.")


def check_stored(folder: Path, labels: Mapping[str, str]) -> Path:
    """Return the model file in a folder of the store if its checksum is the one in `labels`.

    Raises StartupError if the file is missing or has changed.
    """
    file = folder / MODEL_FILE
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as exc:
        raise StartupError(
            f"The model {MODEL_TAG} has no readable {MODEL_FILE} in the store: run `make setup`."
        ) from exc
    if digest != labels.get("prepared_sha256"):
        raise StartupError(
            f"The model {MODEL_TAG} in the store is damaged (wrong checksum): run `make setup`."
        )
    return file
