"""Equal requests share one run of the pipeline.

The first client starts the flight, and none owns it: each has its own deadline and may leave. The
flight ends with its last client. It holds one place in the queue; its clients hold none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from pipeline.errors import BackgroundRemovalError, SourceTimeout
from pipeline.request_timer import RequestTimer
from serving.errors import Busy, ShuttingDown
from serving.lifecycle import Admission
from serving.responses import to_error
from serving.tracing import step_recorder

if TYPE_CHECKING:
    from serving.runtime import Runtime

# Clients of all flights together. While they read slowly, each holds two parts of a response
# (response_sender.py): 64 MB at most.
MAX_CLIENTS = 512

# A flight that has landed takes no more clients after this many seconds. Clients that read slowly
# would otherwise keep its result for all that follow, however old.
JOIN_SECONDS = 5.0

R = TypeVar("R")

# Runs the pipeline for an admission.
Fly = Callable[[Admission], Awaitable[R]]


class Flight(Generic[R]):
    """One run of the pipeline, and the clients that wait for its result or read it."""

    def __init__(self, runtime: "Runtime", deadline: float, fly: Fly[R]) -> None:
        """Start to `fly`. Raises Busy or ShuttingDown."""
        self._runtime = runtime
        self._landing: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        runtime.queue.admit(self)
        timer = RequestTimer(deadline, step_recorder(runtime.metrics, runtime.tracer))
        self._admission = Admission(timer, runtime.budget.open(self._evict))
        self.clients: list[Admission] = []
        self._landed_at = float("inf")  # in seconds of `time.monotonic`
        self._size = 0
        self._task = asyncio.create_task(self._run(fly))

    @property
    def holds_place(self) -> bool:
        """Whether the flight counts as active: until it has a result or an error."""
        return not self._landing.done()

    @property
    def is_open(self) -> bool:
        """Whether clients may board: until it has failed, or has landed for JOIN_SECONDS."""
        if not self._landing.done():
            return True
        is_recent = time.monotonic() - self._landed_at < JOIN_SECONDS
        return self._landing.exception() is None and is_recent

    @property
    def milliseconds(self) -> dict[str, float]:
        """The duration of each step."""
        return self._admission.timer.milliseconds

    def shut_down(self) -> None:
        """End the flight because the process ends."""
        self._cancel(ShuttingDown())

    def board(self, client: Admission) -> None:
        """Add a client. The flight may take as long as its last client."""
        self.clients.append(client)
        timer = self._admission.timer
        timer.deadline = max(timer.deadline, client.timer.deadline)

    def leave(self, client: Admission) -> None:
        """Remove a client. Without any, the flight ends."""
        is_carrier = client is self.clients[0]
        self.clients.remove(client)
        if not self.clients:
            self._task.cancel()
        elif is_carrier:
            self._let_first_carry()

    async def result(self) -> R:
        """Wait for the result. Raises the error of the flight."""
        await asyncio.wait({self._landing})
        if (error := self._landing.exception()) is not None:
            # All clients raise the same error. Its cause has been logged, and its traceback would
            # hold the frames of all of them.
            raise error.with_traceback(None) from None
        return self._landing.result()

    async def _run(self, fly: Fly[R]) -> None:
        try:
            result = await fly(self._admission)
            self._size, self._landed_at = self._admission.reservation.size, time.monotonic()
            self._landing.set_result(result)
            self._let_first_carry()
        except Exception as exc:
            self._fail(to_error(exc))
        finally:
            self._admission.reservation.close()
            self._runtime.queue.leave(self)

    def _let_first_carry(self) -> None:
        """Count the bytes of the result, which all clients share, for the first one."""
        if self._size:
            self.clients[0].reservation.begin_sending(self._size)

    def _evict(self) -> None:
        """End the flight because its source is slow and others need the memory."""
        self._cancel(SourceTimeout())

    def _cancel(self, error: BackgroundRemovalError) -> None:
        self._fail(error)
        self._task.cancel()

    def _fail(self, error: BackgroundRemovalError) -> None:
        if not self._landing.done():
            self._landing.set_exception(error)
            self._landing.exception()  # asyncio would log an error that no client has read


class SingleFlight(Generic[R]):
    """The flights of one worker. Call all methods in the event loop's thread."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._flights: dict[str, Flight[R]] = {}
        self._clients = 0

    @contextmanager
    def join(self, key: str, client: Admission, fly: Fly[R]) -> Iterator[Flight[R]]:
        """Be a client of the flight of `key`, until its response has been sent.

        `fly` starts the flight if there is none. Raises Busy or ShuttingDown.
        """
        if self._clients >= MAX_CLIENTS:
            raise Busy
        flight = self._flights.get(key)
        if flight is None or not flight.is_open:
            flight = self._flights[key] = Flight(self._runtime, client.timer.deadline, fly)
        flight.board(client)
        self._clients += 1
        try:
            yield flight
        finally:
            self._clients -= 1
            flight.leave(client)
            if not flight.clients and self._flights.get(key) is flight:
                del self._flights[key]
