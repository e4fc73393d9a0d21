"""Lock the dependencies of pyproject.toml: one file a purpose, for every platform, with hashes and no index address."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

# The largest first: the others are constrained to its versions, so that all the files agree.
EXTRAS = {
    "dev": ("setup", "rembg", "dev"),
    "rembg": ("setup", "rembg"),
    "setup": ("setup",),
    "serve": (),
}


# What `make bench` measures beside, in an environment of its own: its server pins another uvicorn than BentoML wants.
PEER = "rembg[cpu,cli]==2.0.86"


def lock(name: str, source: list[str], options: list[str], requirements: str = "") -> None:
    """Write requirements/<name>.txt from `source`, or from `requirements` where that is standard input ("-")."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        *source,
        "--universal",
        "--python-version",
        "3.11",
    ]
    command += [
        "--generate-hashes",
        "--no-annotate",
        "--quiet",
        "--custom-compile-command",
        "make lock",
    ]
    command += [
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--output-file",
        f"requirements/{name}.txt",
    ]
    print(f"lock: requirements/{name}.txt", flush=True)
    subprocess.run([*command, *options], check=True, cwd=HERE.parent, input=requirements.encode())


if __name__ == "__main__":
    for name, extras in EXTRAS.items():
        source = ["pyproject.toml", *(part for extra in extras for part in ("--extra", extra))]
        lock(
            name,
            source if name == "dev" else [*source, "--constraints", "requirements/dev.txt"],
            sys.argv[1:],
        )
    lock("peer", ["-"], sys.argv[1:], PEER)
