"""Picture -> soft mask: the only file, with its helper in `compat`, that runs onnxruntime.

The mask is rembg's by definition: the same pre-processing, weights and normalisation (see the README for why rembg itself is not
imported). `runner_for` gives the runner of a name.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from PIL import Image

from compat.onnxruntime import SharedArena, is_out_of_memory, session_options
from pipeline.errors import OutOfMemory, StartupError
from pipeline.memory import release_free_memory

# U²-Net's training set-up, the same figures as rembg's: ImageNet's channel means and deviations, 320 × 320 pixels.
_MEAN = np.array([0.485, 0.456, 0.406])
_DEVIATION = np.array([0.229, 0.224, 0.225])

_SIZE_OF_FREE_MODELS = (1024, 1024)  # what most of rembg's models with free input shapes were trained on


@dataclass(frozen=True)
class Prediction:
    """What a model says of a picture.

    `mask` is uint8 of shape (height, width), the model's own size (320 × 320 for u2netp): 0 background, 255 foreground,
    stretched so that the least and the most salient pixel are 0 and 255. `peak` is the model's highest probability before that
    stretch, 0 to 1; None where the model does not tell.
    """

    mask: NDArray[np.uint8]
    peak: float | None


class Runner(Protocol):
    """The interface of every model: one small picture in, one prediction out, one call at a time."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height, in pixels, of the pictures that the model takes."""

    def predict(self, small: Image.Image) -> Prediction:
        """Segment an RGB picture of `input_size`."""

    def release(self) -> None:
        """Give the memory kept for the next inference back to the system; that inference takes it anew."""


class U2netpRunner:
    """u2netp on onnxruntime: one session, loaded once, on the CPU."""

    input_size = (320, 320)

    def __init__(self, model_file: Path, threads: int) -> None:
        """Load the prepared graph. `threads` work on one inference. Raises StartupError if the file is no such model."""
        self._arena = SharedArena()
        try:
            self._session = InferenceSession(
                str(model_file), sess_options=session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as exc:  # onnxruntime's own classes derive from Exception alone
            raise StartupError("The stored model cannot be loaded; delete it and run `make setup` again.") from exc
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def predict(self, small: Image.Image) -> Prediction:
        """Segment an RGB picture of 320 × 320. Raises OutOfMemory if the inference cannot allocate."""
        try:
            (output,) = self._session.run([self._output], {self._input: to_input(small)})
        except Exception as exc:
            if is_out_of_memory(exc):
                raise OutOfMemory from exc
            raise
        return stretch(output[0, 0])

    def release(self) -> None:
        """Give the 93 MB of activations back: 2 ms, and 10 of page faults in the next inference (7 and 20 without huge pages)."""
        self._arena.shrink()
        release_free_memory()


class RembgRunner:
    """Any of rembg's local models, through rembg's own session; needs the extra `rembg`, and its memory."""

    def __init__(self, name: str) -> None:
        """Load (and, on first use, let rembg fetch) a model. Raises StartupError with a sentence that says what to do."""
        try:
            import rembg
            from rembg.sessions import sessions
        except (ImportError, SystemExit) as exc:
            raise StartupError(f"BGR_MODEL=rembg:{name} needs rembg: pip install -r requirements/rembg.txt.") from exc
        local = sorted(key for key, session in sessions.items() if session.is_local())
        if name not in local:
            raise StartupError(f"BGR_MODEL names no local model of rembg; there are: {', '.join(local)}.")
        try:
            self._session = rembg.new_session(name)
        except Exception as exc:
            raise StartupError(f"rembg could not load its model {name}: {exc}") from exc

        shape = self._session.inner_session.get_inputs()[0].shape
        fixed = isinstance(shape[3], int) and isinstance(shape[2], int)
        self.input_size = (shape[3], shape[2]) if fixed else _SIZE_OF_FREE_MODELS

    def predict(self, small: Image.Image) -> Prediction:
        """Segment an RGB picture of `input_size`."""
        # At the model's own size rembg's two resizings do nothing. Its mask is already stretched: the peak is lost.
        mask = self._session.predict(small)[0]
        return Prediction(np.asarray(mask.convert("L")), peak=None)

    def release(self) -> None:
        """Do nothing: rembg's sessions keep their memory."""


def runner_for(model: str, model_file: Path, threads: int) -> Runner:
    """The runner of `model`, `u2netp` or `rembg:<name>`; `model_file` is the prepared u2netp. Raises StartupError."""
    if model.startswith("rembg:"):
        return RembgRunner(model.removeprefix("rembg:"))
    return U2netpRunner(model_file, threads)


def to_input(small: Image.Image) -> NDArray[np.float32]:
    """RGB picture of 320 × 320 -> (1, 3, 320, 320): divided by the brightest sample, then ImageNet's normalisation.

    rembg's `BaseSession.normalize`; its guard keeps an all-black picture from a division by zero.
    """
    samples = np.asarray(small)
    levels = np.arange(256)[:, np.newaxis] / max(float(samples.max()), 1e-6)
    normalised = ((levels - _MEAN) / _DEVIATION).astype(np.float32)  # each of the 256 levels once, for each channel
    return np.stack([normalised[samples[..., channel], channel] for channel in range(3)])[np.newaxis]


def stretch(probabilities: NDArray[np.float32]) -> Prediction:
    """Stretch (height, width) probabilities to 0..255 as rembg does; a flat or broken map has nothing salient: all 0."""
    low, high = float(probabilities.min()), float(probabilities.max())
    if not (math.isfinite(low) and math.isfinite(high)) or high - low < 1e-6:
        return Prediction(np.zeros(probabilities.shape, np.uint8), peak=0.0)
    stretched = (probabilities - probabilities.min()) / (probabilities.max() - probabilities.min())
    return Prediction((stretched * 255).astype(np.uint8), peak=min(high, 1.0))


if __name__ == "__main__":
    try:
        RembgRunner(sys.argv[1])
    except StartupError as exc:
        sys.exit(str(exc))
