"""Run schemathesis against a running service."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.environment import ROOT
from tests.support.schemathesis_hooks import IMAGE_URL
from tests.support.serving import Server
from tests.support.source import Source


def run_schemathesis(
    server: Server, source: Source, folder: Path, examples: int, *options: str
) -> list[dict[str, Any]]:
    """Send what the service's own document allows, and what it forbids, from a fixed seed.

    Assert that no check fails, and that the service logs no defect; return its log lines.
    """
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/docs.json"]
    command += ["--url", server.url, "--seed", "1"]
    command += ["--checks", "all", "--mode", "all", "--max-examples", str(examples)]
    command += ["--generation-database", "none", "--no-color", *options]
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        IMAGE_URL: source.url("/photo.jpg"),
    }
    before = len(server.log_lines())
    result = subprocess.run(
        command, cwd=folder, env=os.environ | hooks, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
    lines = server.log_lines(before)
    assert not [line for line in lines if line["level"] == "error" or line.get("status") == 500]
    return lines
