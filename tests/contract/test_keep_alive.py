"""Clients that keep their connection, over real sockets and through a real nginx."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat.uvicorn import IDLE_TIMEOUT
from tests.support.environment import needed
from tests.support.proxy import behind_nginx
from tests.support.serving import Server, serve


@pytest.fixture(scope="module")
def two() -> Iterator[list[Server]]:
    with serve() as first, serve() as second:
        yield [first, second]


def requests_on_one_connection(server: Server, seconds: float, pause: float) -> int:
    """GET /health on one connection again and again; what resets or closes it is an exception."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.connect()
    socket = connection.sock
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        connection.request("GET", "/health")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b'{"status":"ok"}')
        assert connection.sock is socket  # http.client would open another in silence
        count += 1
        time.sleep(pause)
    connection.close()
    return count


@pytest.mark.parametrize("seconds", [IDLE_TIMEOUT + 4, pytest.param(60, marks=pytest.mark.slow)])
def test_a_connection_in_use_is_kept(two: list[Server], seconds: float) -> None:
    assert requests_on_one_connection(two[0], seconds, pause=0.25) > 3 * seconds


@pytest.mark.slow
def test_through_nginx_with_keepalive(two: list[Server], tmp_path: Path) -> None:
    with behind_nginx(needed("nginx", "nginx-light"), two, tmp_path) as proxy:
        assert requests_on_one_connection(proxy, 60, pause=0.25) > 180
        assert (
            requests_on_one_connection(proxy, 14, pause=4.5) == 4
        )  # longer than nginx keeps its own connections
        log = (tmp_path / "logs" / "error.log").read_text()
    assert "reset" not in log
    assert "prematurely closed" not in log
