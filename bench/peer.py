"""The peer's own virtual environment, bench/.peer: rembg and its server as requirements/peer.txt locks them."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from bench.progress import say
from pipeline.weights.fetch import find_weights

_ROOT = Path(__file__).parent.parent
_FOLDER = _ROOT / "bench" / ".peer"
_HOME = _FOLDER / "home"
LOCK = _ROOT / "requirements" / "peer.txt"
REMBG = _FOLDER / "bin" / "rembg"


def install() -> None:
    """Make it and fetch the weights, unless it stands and is this lock's."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = _FOLDER / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    say("peer: making bench/.peer")
    subprocess.run([sys.executable, "-m", "venv", "--clear", _FOLDER], check=True)
    say("peer: installing requirements/peer.txt")
    command = [
        str(_FOLDER / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
    ]
    subprocess.run(
        [*command, "--progress-bar", "on", "--require-hashes", "-r", str(LOCK)], check=True
    )
    say("peer: its first start, which compiles for most of a minute")
    subprocess.run([REMBG, "s", "--help"], check=True, stdout=subprocess.DEVNULL)
    model = _HOME / "models" / "u2netp" / "u2netp.onnx"  # where rembg looks for it
    model.parent.mkdir(parents=True)
    model.write_bytes(find_weights().content)
    stamp.write_text(digest)


def site_packages() -> Path:
    """Where the peer's packages are."""
    return next(_FOLDER.glob("lib/python*/site-packages"))


def environment() -> dict[str, str]:
    """The environment of the peer's server: its weights are here, and the browser that it opens at its start does nothing."""
    return {**os.environ, "U2NET_HOME": str(_HOME), "BROWSER": "true"}
