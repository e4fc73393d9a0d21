"""Send several requests side by side."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import httpx

from tests.support.serving import URL, Server

T = TypeVar("T")
R = TypeVar("R")

# The requests that the service accepts at once by default (BGR_MAX_WAITING).
AT_ONCE = 16


async def map_side_by_side(call: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """Await `call(item)` for each item, 16 at a time; return the results in order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with places:
            return await call(item)

    return list(await asyncio.gather(*map(one, items)))


async def fetch_codes(service: str, urls: Iterable[str]) -> list[str]:
    """Send image URLs to a service, 16 at a time; return the code of each response, or "ok"."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:

        async def code(url: str) -> str:
            response = await client.post(service + URL, json={"image_url": url})
            return "ok" if response.status_code == 200 else str(response.json()["code"])

        return await map_side_by_side(code, urls)


@contextmanager
def active_request(server: Server, url: str) -> Iterator[Future[httpx.Response]]:
    """Send an image URL in a thread; the request is active once the block begins."""
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(server.post, image_url=url)
        time.sleep(0.5)
        yield response
