"""What a test run has: the project, outside data, programs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Photos, references and hostile files that are not part of the project. Tests that need them are
# skipped without them.
DATA = Path(os.environ.get("TEST_DATA", ROOT.parent / "shared" / "data"))

# pytest's `record_property`: the name of a figure and its value. The greatest value is the worst.
Record = Callable[[str, float], None]


def needed(program: str, package: str) -> str:
    """Return the path of a program of a Debian package, or skip the test without it."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"needs {program}: apt install {package}")
    return path


async def no_limit(_: int) -> None:
    """Reserve memory for a download without a limit."""
