"""Admission control, the executor, and draining.

A request is active from its admission until its response has been sent. A request that ends early
may leave its work running, because threads cannot be stopped: that work stays active until it ends.
"""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

from serving.errors import Busy, ShuttingDown
from serving.memory_budget import CHECK_INTERVAL, MemoryBudget, Phase

T = TypeVar("T")

# Two images at once share the processors from this many waiting requests on. Sharing raises the
# throughput by 10 to 20 %, but each image takes nearly twice as long: from four requests on, their
# mean time is no longer than one after the other.
SHARE_FROM = 4


class QueuedRequest(Protocol):
    """A request, as the queue sees it."""

    @property
    def holds_place(self) -> bool:
        """Whether the request counts as active. An evicted request does not."""

    def shut_down(self) -> None:
        """End the request because the process ends."""


class AdmissionQueue:
    """The requests of one worker. Call all methods in the event loop's thread."""

    def __init__(self, capacity: int, budget: MemoryBudget, slots: int = 1) -> None:
        """Admit at most `capacity` active requests, and process at most `slots` at once.

        Work starts only while `budget` has room for its response.
        """
        self.capacity = capacity
        self._budget = budget
        self._slots = slots
        self._executor = ThreadPoolExecutor(slots, thread_name_prefix="executor")
        self._running = 0
        self._is_shared = False  # whether the running requests share the processors
        self._turns: deque[asyncio.Future[bool]] = deque()
        self._requests: set[QueuedRequest] = set()
        self._abandoned = 0
        self._is_closing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        budget.on_change = self._next_turn

    @property
    def active(self) -> int:
        """The number of requests that wait or are processed."""
        return sum(request.holds_place for request in self._requests) + self._abandoned

    @property
    def is_open(self) -> bool:
        """Whether the queue admits requests, if it is not full."""
        return not self._is_closing

    @property
    def is_full(self) -> bool:
        """Whether `admit` would refuse a request."""
        return self._is_closing or (self.active >= self.capacity and not self._budget.has_slow_peer)

    def admit(self, request: QueuedRequest) -> None:
        """Count a request as active. A full queue evicts a request of a stalled peer for it.

        Raises Busy or ShuttingDown.
        """
        if self._is_closing:
            raise ShuttingDown
        if self.active >= self.capacity and not self._budget.evict_slowest_peer():
            raise Busy
        self._requests.add(request)
        self._is_empty.clear()

    def leave(self, request: QueuedRequest) -> None:
        """Stop counting a request as active. Requests that were never admitted are ignored."""
        self._requests.discard(request)
        self._update_is_empty()

    @asynccontextmanager
    async def turn(self, waiting: AbstractContextManager[None]) -> AsyncIterator["Turn"]:
        """Hold a slot of the executor, in the order of the calls. `waiting` is entered meanwhile.

        If this is cancelled while it waits, the work never starts.
        """
        turn = Turn(self._executor, self._abandon)
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._turns.append(place)
        self._next_turn()
        try:
            with waiting:
                turn.is_shared = await self._wait_for(place)
            yield turn
        finally:
            if not place.done():
                self._turns.remove(place)
            elif not turn.is_abandoned:
                self._running -= 1
            self._next_turn()

    async def drain(self, grace: float) -> None:
        """Admit no more requests, and wait until all have ended.

        After `grace` seconds, shut the remaining ones down and return.
        """
        self._is_closing = True
        try:
            async with asyncio.timeout(grace):
                await self._is_empty.wait()
        except TimeoutError:
            for request in [*self._requests]:
                request.shut_down()

    def _next_turn(self) -> None:
        """Give free slots to the first waiting requests, if memory allows."""
        while self._turns and self._has_free_slot and self._budget.has_room_for_a_response:
            if self._running == 0:
                self._is_shared = self._slots > 1 and len(self._turns) >= SHARE_FROM
            self._running += 1
            self._turns.popleft().set_result(self._is_shared)

    @property
    def _has_free_slot(self) -> bool:
        return self._running < (self._slots if self._is_shared else 1)

    async def _wait_for(self, place: asyncio.Future[bool]) -> bool:
        """Wait for the turn of `place`, and return whether it shares the processors.

        Evict slow clients whose responses leave no memory.
        """
        short_since: float | None = None
        while not place.done():
            if self._budget.has_room_for_a_response:
                short_since = None
            else:
                now = time.monotonic()
                short_since = now if short_since is None else short_since
                if self._budget.evict_slowest_peer(now - short_since, phase=Phase.SENDING):
                    continue
            await asyncio.wait({place}, timeout=CHECK_INTERVAL)
        return place.result()

    def _abandon(self, job: Future[Any]) -> None:
        """Count work that goes on after the end of its request as active until it ends."""
        loop = asyncio.get_running_loop()
        self._abandoned += 1
        self._is_empty.clear()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._end_abandoned))

    def _end_abandoned(self) -> None:
        self._abandoned -= 1
        self._running -= 1
        self._next_turn()
        self._update_is_empty()

    def _update_is_empty(self) -> None:
        if not self._requests and not self._abandoned:
            self._is_empty.set()


class Turn:
    """The right of one request to use the executor.

    `is_shared` is whether another request may run beside it.
    """

    def __init__(
        self, executor: ThreadPoolExecutor, abandon: Callable[[Future[Any]], None]
    ) -> None:
        self._executor = executor
        self._abandon = abandon
        self.is_abandoned = False
        self.is_shared = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the executor, in this request's context.

        If this is cancelled, the work goes on and its result is dropped.
        """
        job = self._executor.submit(contextvars.copy_context().run, work)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancel() and not job.done():
                self.is_abandoned = True
                self._abandon(job)
            raise
        finally:
            # The job refers to the exception, whose traceback refers to this frame and to the
            # frames of the work with their image: a cycle that would keep the image in memory.
            del job
