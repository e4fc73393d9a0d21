"""Run Python in its own process."""

import subprocess
import sys
from collections.abc import Mapping

from tests.support.environment import ROOT
from tests.support.serving import environment


def run_python(
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    timeout: float | None = None,
    errors: bool = False,
) -> str:
    """Run Python in the project's folder; return its standard output.

    `settings` are environment variables; `errors` adds standard error to the output. Raise
    AssertionError if the exit status is not 0.
    """
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**(settings or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors else subprocess.PIPE,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stdout[-3000:] + (result.stderr or "")[-3000:]
    return result.stdout
