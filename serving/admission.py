"""Admission control, the single-worker executor, and draining.

A request is active from its admission until its response has been sent. Work is active until its thread has really ended: a
request that ends early leaves its running work behind, and that keeps its place.
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
from serving.memory_budget import LOOK_SECONDS, MemoryBudget, Phase

T = TypeVar("T")


class QueuedRequest(Protocol):
    """What the queue knows of a request."""

    @property
    def holds_place(self) -> bool:
        """Whether it counts as active; a request that was evicted does not."""

    def shut_down(self) -> None:
        """End it, because the process does."""


class AdmissionQueue:
    """The requests of one worker. All methods belong to the event loop's thread."""

    def __init__(self, capacity: int, budget: MemoryBudget) -> None:
        """At most `capacity` requests may be active; work begins only while `budget` has room for its response."""
        self.capacity = capacity
        self._budget = budget
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="executor")
        self._executor_is_taken = False
        self._turns: deque[asyncio.Future[None]] = deque()
        self._requests: set[QueuedRequest] = set()
        self._abandoned = 0
        self._is_closing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        budget.on_change = self._next_turn

    @property
    def active(self) -> int:
        """How many requests are waiting or at work."""
        return sum(request.holds_place for request in self._requests) + self._abandoned

    @property
    def is_open(self) -> bool:
        """Whether new requests are admitted, apart from the capacity."""
        return not self._is_closing

    def admit(self, request: QueuedRequest) -> None:
        """Give a request a place, that of a stalled peer's if there is no other. Raises Busy or ShuttingDown."""
        if self._is_closing:
            raise ShuttingDown
        if self.active >= self.capacity and not self._budget.cut_off_slow_peer():
            raise Busy
        self._requests.add(request)
        self._is_empty.clear()

    def leave(self, request: QueuedRequest) -> None:
        """Take a request's place back. A request without one is none of the queue's business."""
        self._requests.discard(request)
        self._look_whether_empty()

    @asynccontextmanager
    async def turn(self, waiting: AbstractContextManager[None]) -> AsyncIterator["Turn"]:
        """Hold the executor, after all that asked for it before; `waiting` is entered until then.

        Cancelled while it waits, the work never starts.
        """
        turn = Turn(self._executor, self._abandon)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(place)
        self._next_turn()
        try:
            with waiting:
                await self._wait_for(place)
            yield turn
        finally:
            if not place.done():
                self._turns.remove(place)
            elif not turn.is_abandoned:
                self._executor_is_taken = False
            self._next_turn()

    async def drain(self, grace: float) -> None:
        """Admit nobody any more; return once all have left, or have been shut down after `grace` seconds."""
        self._is_closing = True
        try:
            async with asyncio.timeout(grace):
                await self._is_empty.wait()
        except TimeoutError:
            for request in [*self._requests]:
                request.shut_down()

    def _next_turn(self) -> None:
        """Give the executor to the first that waits for it, once it is free and there is room for a response."""
        if self._turns and not self._executor_is_taken and self._budget.has_room_for_a_response:
            self._executor_is_taken = True
            self._turns.popleft().set_result(None)

    async def _wait_for(self, place: asyncio.Future[None]) -> None:
        """Return once it is this place's turn; meanwhile see that responses which nobody reads do not hold it up."""
        short_since: float | None = None
        while not place.done():
            if self._budget.has_room_for_a_response:
                short_since = None
            else:
                now = time.monotonic()
                short_since = now if short_since is None else short_since
                if self._budget.cut_off_slow_peer(now - short_since, phase=Phase.SENDING):
                    continue
            await asyncio.wait({place}, timeout=LOOK_SECONDS)

    def _abandon(self, job: Future[Any]) -> None:
        """Keep the executor and a place for work that goes on though its request has ended."""
        loop = asyncio.get_running_loop()
        self._abandoned += 1
        self._is_empty.clear()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._abandoned_has_ended))

    def _abandoned_has_ended(self) -> None:
        self._abandoned -= 1
        self._executor_is_taken = False
        self._next_turn()
        self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        if not self._requests and not self._abandoned:
            self._is_empty.set()


class Turn:
    """The executor, in the hands of one request."""

    def __init__(
        self, executor: ThreadPoolExecutor, abandon: Callable[[Future[Any]], None]
    ) -> None:
        self._executor = executor
        self._abandon = abandon
        self.is_abandoned = False

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the executor, in this request's context. Cancelled, it ends unheard."""
        job = self._executor.submit(contextvars.copy_context().run, work)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if not job.cancel() and not job.done():
                self.is_abandoned = True
                self._abandon(job)
            raise
        finally:
            # The job holds the work's exception, whose traceback holds this frame, and the work's with its image: a cycle that
            # Python may collect many images later.
            del job
