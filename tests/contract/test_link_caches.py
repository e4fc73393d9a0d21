"""Many views of few links through real caches, while the service restarts."""

import asyncio
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.environment import Record
from tests.support.links import CACHES, KEY, inferences, link, open_links
from tests.support.serving import launch, stop, wait_until_ready
from tests.support.source import Source

pytestmark = pytest.mark.slow

VIEWS, LINKS, CLIENTS = 20_000, 50, 64


@pytest.mark.parametrize("cache", CACHES)
def test_a_view_costs_an_inference_only_once(
    source: Source, cache: str, tmp_path: Path, record_property: Record
) -> None:
    settings = {
        "BGR_URL_KEYS": KEY,
        "BGR_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{source.port}",
        "BGR_MAX_WAITING": str(LINKS),
    }
    url = source.url("/photo.jpg")
    paths = [link(url, max_side=str(64 + number), format="webp") for number in range(LINKS)]
    with ExitStack() as stack:
        service = stack.enter_context(launch(settings=settings))
        wait_until_ready(service)
        proxy = stack.enter_context(CACHES[cache](service, tmp_path))
        before = inferences(service)
        # Once each first: hits at full speed would leave the source, a thread of this process, and
        # the service no processor for the misses.
        cold = asyncio.run(open_links(proxy.port, paths, LINKS, CLIENTS))
        cold += asyncio.run(open_links(proxy.port, paths, VIEWS // 2 - LINKS, CLIENTS))
        assert cold == {200: VIEWS // 2}
        assert inferences(service) - before == LINKS

        def restart() -> None:
            stop(service)
            restarted = stack.enter_context(launch(settings=settings, port=service.port))
            wait_until_ready(restarted)

        restarting = threading.Thread(target=restart)
        restarting.start()
        started = time.perf_counter()
        warm = asyncio.run(open_links(proxy.port, paths, VIEWS // 2, CLIENTS))
        seconds = time.perf_counter() - started
        restarting.join()
        record_property(f"ms per view from {cache}", seconds / (VIEWS / 2) * 1000)
        assert warm == {200: VIEWS // 2}
        assert proxy.get(paths[0]).headers["x-cache"] == "HIT"
        assert proxy.get(link(url, max_side="200")).status_code == 200
