"""Prepare the model: `python -m pipeline.weights`."""

import os
import sys
from pathlib import Path

from pipeline.errors import StartupError
from pipeline.weights.store import store_model

if __name__ == "__main__":
    named = os.environ.get("BGR_MODEL_FILE")
    try:
        store_model(Path(named) if named else None)
    except StartupError as exc:
        sys.exit(f"model: {exc}")
