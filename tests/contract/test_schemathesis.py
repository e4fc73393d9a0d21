"""Schemathesis sends what the running service's own document allows, and what it forbids."""

from pathlib import Path

import pytest

from tests.support.schemathesis_run import run_schemathesis
from tests.support.serving import UPLOAD, URL, Server
from tests.support.source import Source


@pytest.mark.slow
def test_schemathesis_finds_no_failure(service: Server, source: Source, tmp_path: Path) -> None:
    """All checks and phases, with valid and invalid data."""
    native = ("--exclude-path-regex", "^/v1.0/")
    lines = run_schemathesis(service, source, tmp_path, 200, *native)
    for path in (URL, UPLOAD):
        codes = {line["code"] for line in lines if line.get("path") == path}
        assert {"ok", "invalid_request", "method_not_allowed", "unsupported_media_type"} <= codes
