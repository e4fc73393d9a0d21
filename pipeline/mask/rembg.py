"""Any of rembg's local models, through rembg's own session. Needs the extra `rembg`.

`python -m pipeline.mask.rembg NAME` checks that a model loads.
"""

import sys

import numpy as np
from PIL import Image

from pipeline.errors import StartupError
from pipeline.mask.segmenter import Prediction

# The size that most of rembg's models with a free input shape were trained on.
_SIZE_OF_FREE_MODELS = (1024, 1024)


class RembgSegmenter:
    """A session of rembg, with rembg's memory use and start-up time."""

    def __init__(self, name: str) -> None:
        """Load a model. On first use, rembg downloads it.

        Raises StartupError with a sentence that says what to change.
        """
        try:
            import rembg
            from rembg.sessions import sessions
        except (ImportError, SystemExit) as exc:  # rembg exits if onnxruntime is missing
            raise StartupError(
                f"BGR_MODEL=rembg:{name} needs rembg: pip install -r requirements/rembg.txt."
            ) from exc
        local = sorted(key for key, session in sessions.items() if session.is_local())
        if name not in local:
            raise StartupError(
                f"BGR_MODEL names no local model of rembg; choose one of {', '.join(local)}."
            )
        try:
            self._session = rembg.new_session(name)
        except Exception as exc:
            raise StartupError(f"rembg could not load its model {name}: {exc}") from exc

        shape = self._session.inner_session.get_inputs()[0].shape
        is_fixed = isinstance(shape[3], int) and isinstance(shape[2], int)
        self.input_size = (shape[3], shape[2]) if is_fixed else _SIZE_OF_FREE_MODELS

    def predict(self, model_image: Image.Image) -> Prediction:
        """Segment an RGB image of `input_size`.

        At that size rembg's own two resizings change nothing. Its mask is normalized already, so
        the peak is not known.
        """
        mask = self._session.predict(model_image)[0]
        return Prediction(np.asarray(mask.convert("L")), peak=None)

    def release_memory(self) -> None:
        """Do nothing: rembg's sessions keep their memory."""


if __name__ == "__main__":
    try:
        RembgSegmenter(sys.argv[1])
    except StartupError as exc:
        sys.exit(str(exc))
