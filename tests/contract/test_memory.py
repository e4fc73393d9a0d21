"""The service keeps no memory of finished requests."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.serving import Server


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        # A timer that outlives its request would keep 11 KB of each.
        ("POST", "/remove-background", 400),
        # A series in the metrics per path would keep 22 KB of each.
        ("GET", "/nothing/{}", 404),
    ],
)
def test_answered_requests_leave_nothing_behind(
    default_service: Server, method: str, path: str, status: int
) -> None:
    """BentoML and uvicorn count too."""
    server = default_service
    with httpx.Client(base_url=server.url, trust_env=False) as client:

        def kilobytes_after(numbers: range) -> int:
            for number in numbers:
                assert client.request(method, path.format(number), json={}).status_code == status
            described = Path(f"/proc/{server.worker()}/status").read_text()
            return int(re.findall(r"RssAnon:\s+(\d+)", described)[0])

        before = kilobytes_after(range(300))
        assert kilobytes_after(range(300, 1_300)) - before < 1_000 * 3
        assert "/nothing" not in client.get("/metrics").text
