"""Two instances behind the example's nginx: one is stopped or killed under load."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.support.environment import Record, needed
from tests.support.proxy import behind_nginx
from tests.support.serving import UPLOAD, Server, serve_two, stop
from tests.support.waiting import wait_until

CLIENTS = 6


class Clients:
    """Clients that each send an upload as soon as the last one is answered."""

    def __init__(self, url: str, photo: bytes) -> None:
        self._url = url + UPLOAD
        self._photo = photo
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]
        self.responses: Counter[str] = Counter()

    def _send(self) -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:
            while not self._end.is_set():
                try:
                    response = client.post(self._url, files={"image": self._photo})
                    self.responses[str(response.status_code)] += 1
                except httpx.TransportError as exc:
                    self.responses[type(exc).__name__] += 1

    def wait_for_more(self) -> None:
        """Return once every client has received a response, on average."""
        enough = self.responses.total() + CLIENTS
        assert wait_until(lambda: self.responses.total() >= enough, seconds=60)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def instances_and_proxy(tmp_path: Path) -> Iterator[tuple[list[Server], Server]]:
    """Serve two instances behind nginx."""
    with contextlib.ExitStack() as stack:
        nginx = needed("nginx", "nginx-light")
        instances = stack.enter_context(serve_two())
        yield instances, stack.enter_context(behind_nginx(nginx, instances, tmp_path))


@pytest.mark.slow
def test_an_instance_that_is_stopped_loses_no_request(
    instances_and_proxy: tuple[list[Server], Server], photo: bytes, record_property: Record
) -> None:
    instances, proxy = instances_and_proxy
    with Clients(proxy.url, photo) as clients:
        clients.wait_for_more()
        stop(instances[0])
        clients.wait_for_more()
    record_property("behind nginx, one of two stopped: answered", clients.responses.total())
    assert clients.responses.keys() == {"200"}


@pytest.mark.slow
def test_an_instance_that_is_killed_loses_at_most_its_active_requests(
    instances_and_proxy: tuple[list[Server], Server], photo: bytes, record_property: Record
) -> None:
    instances, proxy = instances_and_proxy
    with Clients(proxy.url, photo) as clients:
        clients.wait_for_more()
        instances[0].kill()
        clients.wait_for_more()
    lost = clients.responses.total() - clients.responses["200"]
    record_property("behind nginx, one of two killed: lost", lost)
    assert lost <= CLIENTS // 2 + 1
