"""Checks before any worker starts. BentoML would restart a worker that fails over and over."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from compat import MovedError, bentoml, starlette, uvicorn
from pipeline.errors import StartupError
from pipeline.weights.store import check_stored
from serving.logging import LOGGER
from serving.project import ROOT
from serving.settings import Settings

# "background_remover." if installed as a wheel (hatch_build.py), and "" in a checkout.
_NAMESPACE = __name__.removesuffix("serving.startup")


def check_libraries() -> None:
    """Raise StartupError if a library lacks a private API that `compat` uses."""
    try:
        for library in (bentoml, starlette, uvicorn):
            library.check()
    except MovedError as exc:
        raise StartupError(str(exc)) from exc
    _check_in_subprocess(f"{_NAMESPACE}compat")


def check_model(settings: Settings, folder: Path, labels: Mapping[str, str]) -> None:
    """Raise StartupError unless the configured model can be loaded.

    `folder` and `labels` are those of u2netp in BentoML's store.
    """
    check_stored(folder, labels)
    if settings.model.startswith("rembg:"):
        name = settings.model.removeprefix("rembg:")
        _check_in_subprocess(f"{_NAMESPACE}pipeline.mask.rembg", name)


def warn_of_another_libjpeg() -> None:
    """Log a warning if large JPEGs cannot be kept as their own samples. For the worker."""
    from pipeline.image.jpeg_planes import equals_pillow  # imports NumPy

    if not equals_pillow():
        LOGGER.warning(
            "This libjpeg decodes in its own way: large JPEGs take 4 bytes per pixel instead of 1.5"
        )


def _check_in_subprocess(module: str, *arguments: str) -> None:
    """Run `python -m module`, whose imports would stay in the supervisor's memory.

    Raises StartupError with the last line that the module wrote to standard error.
    """
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, timeout=600
    )
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()
        raise StartupError(lines[-1] if lines else f"The check of {module} failed.")
