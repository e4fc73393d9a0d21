"""Run Python in its own process."""

import subprocess
import sys

from tests.support.environment import ROOT
from tests.support.serving import environment


def run_python(*arguments: str, timeout: float | None = None, **settings: str) -> str:
    """Run Python in the project's folder; return its standard output.

    Raise AssertionError with the end of its output if the exit status is not 0.
    """
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout
