"""Schemathesis sends what the running service's own document allows, and what it forbids."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from tests.support.schemathesis_hooks import IMAGE_URL
from tests.support.serving import Server
from tests.support.source import Source


@pytest.mark.parametrize("examples", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_schemathesis_finds_no_failure(
    service: Server, source: Source, examples: int, tmp_path: Path
) -> None:
    """All checks and phases, with valid and invalid data, from a fixed seed."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/docs.json"]
    command += ["--url", service.url, "--seed", "1"]
    command += ["--checks", "all", "--mode", "all", "--max-examples", str(examples)]
    command += ["--generation-database", "none", "--no-color", "--exclude-path-regex", "^/v1.0/"]
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        IMAGE_URL: source.url("/photo.jpg"),
    }
    before = len(service.log_lines())
    result = subprocess.run(
        command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]
    lines = service.log_lines(before)
    assert not [line for line in lines if line["level"] == "error" or line.get("status") == 500]
    for path in ("/remove-background", "/remove-background/upload"):
        codes = {line["code"] for line in lines if line.get("path") == path}
        assert {"ok", "invalid_request", "method_not_allowed", "unsupported_media_type"} <= codes
