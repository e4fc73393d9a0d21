"""Lock the dependencies of pyproject.toml: hashes, every platform, no index addresses.

There is one file per purpose: uv (which installs the others), serve (the image), setup, rembg,
heif, stores, ray (with stores), dev, and peer.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

# The file with most packages comes first. It constrains the others, so that all versions agree.
EXTRAS = {
    "dev": ("setup", "rembg", "heif", "stores", "dev"),
    "rembg": ("setup", "rembg"),
    "heif": ("heif",),
    "stores": ("setup", "stores"),
    "ray": ("stores", "ray"),
    "setup": ("setup",),
    "serve": (),
}

# rembg's server, the peer of `make bench`. It runs in its own environment, because it pins another
# version of uvicorn than BentoML needs.
PEER = "rembg[cpu,cli]==2.0.86"

_OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--quiet",
]


def lock(name: str, source: list[str], options: list[str], requirements: str = "") -> None:
    """Write requirements/<name>.txt from the files `source`; "-" reads `requirements`."""
    print(f"lock: requirements/{name}.txt", flush=True)
    output = ["--custom-compile-command", "make lock", "--output-file", f"requirements/{name}.txt"]
    command = [sys.executable, "-m", "uv", "pip", "compile", *source, *_OPTIONS, *output, *options]
    subprocess.run(command, check=True, cwd=HERE.parent, input=requirements.encode())


if __name__ == "__main__":
    for name, extras in EXTRAS.items():
        source = ["pyproject.toml", *(part for extra in extras for part in ("--extra", extra))]
        if name != "dev":
            source += ["--constraints", "requirements/dev.txt"]
        lock(name, source, sys.argv[1:])
    lock("uv", ["-", "--constraints", "requirements/dev.txt"], sys.argv[1:], "uv")
    lock("peer", ["-"], sys.argv[1:], PEER)
