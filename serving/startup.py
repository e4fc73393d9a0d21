"""What is checked before any worker starts: a worker that fails would be started again, for ever."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import compat.bentoml
import compat.starlette
import compat.uvicorn
from compat import MovedError
from pipeline.errors import StartupError
from pipeline.weights.store import check_stored
from serving.settings import Settings

_PROJECT = Path(__file__).parent.parent


def check_libraries() -> None:
    """Raise StartupError if a library has moved what `compat` uses of it."""
    try:
        for library in (compat.bentoml, compat.starlette, compat.uvicorn):
            library.check()
    except MovedError as exc:
        raise StartupError(str(exc)) from exc
    _check_apart("compat")


def check_model(settings: Settings, folder: Path, labels: Mapping[str, str]) -> None:
    """Raise StartupError unless the model that is named can be loaded; `folder` and `labels` are those of the stored u2netp."""
    check_stored(folder, labels)
    if settings.model.startswith("rembg:"):
        _check_apart("pipeline.mask.rembg", settings.model.removeprefix("rembg:"))


def _check_apart(module: str, *arguments: str) -> None:
    """Run a module's own check in a process of its own: the supervisor must not pay for what it imports.

    Raises StartupError with the sentence that the module says last.
    """
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(
        command, cwd=_PROJECT, stderr=subprocess.PIPE, text=True, check=False, timeout=600
    )
    if result.returncode != 0:
        raise StartupError(
            (result.stderr.strip().splitlines() or [f"The check of {module} failed."])[-1]
        )
