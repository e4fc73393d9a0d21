"""Fixtures of the tests that talk to a running service."""

from collections.abc import Iterator

import pytest

from tests.support.raw_http import NOT_HTTP
from tests.support.serving import Server

# What uvicorn logs at the level of a warning about broken HTTP.
_WARNINGS = (NOT_HTTP, "Unsupported upgrade request.")


@pytest.fixture
def unharmed(service: Server) -> Iterator[None]:
    """Assert after the test that the service is healthy and has logged no defect."""
    before = len(service.log_lines())
    yield
    assert service.get("/health").status_code == 200
    for line in service.log_lines(before):
        assert "traceback" not in line
        assert line["level"] == "info" or line["message"] in _WARNINGS, line
        assert line.get("status") != 500, line
