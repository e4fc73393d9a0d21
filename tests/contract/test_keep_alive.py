"""Connections in use are kept; connections without a request are dropped."""

import contextlib
import http.client
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from compat.uvicorn import IDLE_TIMEOUT
from tests.support.environment import needed
from tests.support.proxy import behind_nginx
from tests.support.raw_http import read_to_the_end
from tests.support.serving import Server, serve_two

# Seconds between two requests on a connection in use, and how long it is used in `make test`.
PAUSE, USED_SECONDS = 0.25, IDLE_TIMEOUT + 4


def requests_on_one_connection(server: Server, seconds: float, pause: float) -> int:
    """GET /health on one connection until `seconds` have passed. Raise if it is closed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.connect()
    socket = connection.sock
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        connection.request("GET", "/health")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b'{"status":"ok"}')
        assert connection.sock is socket  # http.client would silently open another
        count += 1
        time.sleep(pause)
    connection.close()
    return count


@pytest.fixture(scope="module")
def connection_in_use(service: Server) -> Iterator[Future[int]]:
    """Use a connection in a thread, so that the idle time passes once for both tests."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(requests_on_one_connection, service, USED_SECONDS, PAUSE)


@pytest.mark.slow
@pytest.mark.usefixtures("connection_in_use")
def test_connections_without_a_request_are_dropped(service: Server, photo: bytes) -> None:
    """A server holds a limited number of connections."""
    starts = [
        b"",
        b"POST /remove-background HTTP/1.1\r\nHost: x\r\nX-",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HT",
    ]
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(service.connect()) for _ in range(60)]
        for start, connection in zip(starts * 20, idle, strict=True):
            connection.sendall(start)
        started = time.monotonic()
        assert service.upload(photo).status_code == 200
        for connection in idle:
            connection.settimeout(20)
            # A connection that has sent a request is closed, the others are reset.
            with contextlib.suppress(ConnectionResetError):
                read_to_the_end(connection)
        assert time.monotonic() - started < IDLE_TIMEOUT + 5
    assert service.upload(photo).status_code == 200


@pytest.mark.slow
def test_a_connection_in_use_is_kept(connection_in_use: Future[int]) -> None:
    assert connection_in_use.result() > 3 * USED_SECONDS


@pytest.mark.slow
def test_a_connection_in_use_is_kept_for_a_minute(service: Server) -> None:
    assert requests_on_one_connection(service, 60, PAUSE) > 180


@pytest.mark.slow
def test_connections_through_nginx_are_kept(tmp_path: Path) -> None:
    nginx = needed("nginx", "nginx-light")
    with serve_two() as instances, behind_nginx(nginx, instances, tmp_path) as proxy:
        assert requests_on_one_connection(proxy, 60, PAUSE) > 180
        # Longer than nginx keeps its own connections.
        assert requests_on_one_connection(proxy, 14, pause=4.5) == 4
        log = (tmp_path / "logs" / "error.log").read_text()
    assert "reset" not in log
    assert "prematurely closed" not in log
