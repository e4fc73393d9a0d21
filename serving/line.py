"""Who is inside, and the one lane that their work runs in.

A request is inside from its admission until its answer has been sent. Work is inside until its thread has really ended: a
request that gave up (deadline, caller gone) leaves its running work behind, and that keeps its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pipeline.errors import Busy, ShuttingDown

T = TypeVar("T")


class Line:
    """The waiting line of one worker. All methods belong to the event loop's thread."""

    def __init__(self, capacity: int) -> None:
        """`capacity` requests may be inside, waiting or at work, at a time."""
        self.capacity = capacity
        self._lane = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lane")
        self._turn = asyncio.Lock()
        self._inside = 0
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._guests: set[asyncio.Timeout] = set()

    @property
    def inside(self) -> int:
        """How many are waiting or at work."""
        return self._inside

    @property
    def is_open(self) -> bool:
        """Whether new requests are admitted, apart from the capacity."""
        return not self._closing

    @contextmanager
    def admit(self, expiry: asyncio.Timeout) -> Iterator[None]:
        """Hold a place; `expiry`, not yet entered, is what ends the request early. Raises Busy or ShuttingDown."""
        if self._closing:
            raise ShuttingDown
        if self._inside >= self.capacity:
            raise Busy
        self._enter()
        self._guests.add(expiry)
        try:
            yield
        finally:
            self._guests.discard(expiry)
            self._leave()

    async def run(self, work: Callable[[], T], when: Callable[[], Awaitable[None]]) -> T:
        """Run `work` in the lane, after all that came before it, once `when` has returned.

        Cancelled, it never starts, or it ends unheard.
        """
        async with self._turn:
            await when()
            job = self._lane.submit(work)
            try:
                return await asyncio.wrap_future(job)
            except asyncio.CancelledError:
                if not job.cancel() and not job.done():
                    self._keep_place_until_done(job)
                raise
            finally:
                # The job holds the work's exception, whose traceback holds this frame, and the work's with its picture: a cycle
                # that Python may collect many pictures later.
                del job

    async def close(self, grace: float) -> None:
        """Admit nobody any more; return once all are out, or have been told to go after `grace` seconds."""
        self._closing = True
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for guest in self._guests:
                guest.reschedule(asyncio.get_running_loop().time())

    def _keep_place_until_done(self, job: Future[T]) -> None:
        loop = asyncio.get_running_loop()
        self._enter()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))

    def _enter(self) -> None:
        self._inside += 1
        self._empty.clear()

    def _leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()
