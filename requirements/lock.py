"""Lock the dependencies of pyproject.toml: one file a purpose, for every platform, with hashes and no index address."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

# The largest first: the others are constrained to its versions, so that all the files agree.
EXTRAS = {"dev": ("setup", "rembg", "dev"), "rembg": ("setup", "rembg"), "setup": ("setup",), "serve": ()}


def lock(name: str, extras: tuple[str, ...], options: list[str]) -> None:
    """Write requirements/<name>.txt."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-annotate", "--quiet", "--custom-compile-command", "make lock"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--output-file", f"requirements/{name}.txt"]
    command += [part for extra in extras for part in ("--extra", extra)]
    if name != "dev":
        command += ["--constraints", "requirements/dev.txt"]
    subprocess.run([*command, *options], check=True, cwd=HERE.parent)


if __name__ == "__main__":
    for name, extras in EXTRAS.items():
        print(f"lock: requirements/{name}.txt", flush=True)
        lock(name, extras, sys.argv[1:])
