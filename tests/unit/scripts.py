"""Scripts in a process of their own, with the worker's environment."""

import subprocess
import sys

from pipeline.memory import WORKER_ENVIRONMENT
from tests.support.environment import ROOT
from tests.support.serving import environment


def output_of(script: str, *arguments: object) -> list[str]:
    """Run a script, which must succeed, and return the lines that it prints."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    variables = environment(**WORKER_ENVIRONMENT)
    result = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-500:] + result.stderr[-2_000:]
    return result.stdout.splitlines()
