"""One request, from its first byte to its last: the only owner of its deadline, its end and the reason for it.

admit      the API method that serves it asks for a place, a deadline and the right to read the body
run        the app answers, until it is done or `end` is called
end        a reason ends it early: its deadline, the client, a slow peer, the process. The first reason counts, and
           `end_reasons.py` says what it means for the response, the log line and the metric
"""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import BackgroundRemovalError
from pipeline.request_timer import RequestTimer
from serving.end_reasons import ENDINGS, EndReason
from serving.errors import InternalError
from serving.memory_budget import Reservation
from serving.request_body import RequestBody
from serving.response_sender import ResponseSender
from serving.responses import to_error
from serving.tracing import current_request_id, step_recorder

if TYPE_CHECKING:
    from serving.runtime import Runtime

# A client that takes longer than this to read its response is cut off: until then the response stays in memory.
WRITE_TIMEOUT = 60.0
# And so for an error, which is small, or for the end of a response: seconds.
ERROR_WRITE_TIMEOUT = 5.0


@dataclass(frozen=True)
class Admission:
    """What a request has once it is admitted: its time and its share of the memory."""

    timer: RequestTimer
    reservation: Reservation


class RequestLifecycle:
    """One request and its response. All methods belong to the event loop's thread."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, runtime: "Runtime") -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.started = time.monotonic()
        self.request_id = current_request_id()
        # For the log line and the metric: what admitted the request, and what it came to.
        self.endpoint: str | None = None
        self.code: str | None = None
        self.admission: Admission | None = None
        self.reason: EndReason | None = None
        # They refer back by a proxy: a cycle would keep each request until Python looks for cycles, thousands of requests later.
        self.body = RequestBody(receive, self.headers, weakref.proxy(self))
        self.response = ResponseSender(send, weakref.proxy(self))
        self._runtime = runtime
        self._error: BackgroundRemovalError | None = None
        self._app_timeout: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_evicted = False

    @property
    def holds_place(self) -> bool:
        """Whether it counts as active."""
        return not self._is_evicted

    def admit(self, endpoint: str, max_body_bytes: int) -> Admission:
        """Let the request in, as one of `endpoint`. A request that no endpoint has let in cannot send a body.

        Raises Unauthorized, Busy, ShuttingDown, or RequestTooLarge for a body that is declared larger.
        """
        runtime = self._runtime
        self.endpoint = endpoint
        runtime.api_keys.check(self.headers)
        self.body.allow(max_body_bytes)
        runtime.queue.admit(self)
        deadline = self.started + runtime.settings.deadline
        self._end_at(deadline, EndReason.DEADLINE)
        timer = RequestTimer(deadline, step_recorder(runtime.metrics, runtime.tracer))
        self.admission = Admission(timer, runtime.budget.open(self.evict))
        return self.admission

    def end(self, reason: EndReason, error: BackgroundRemovalError | None = None) -> None:
        """End the request early; `error` says more than the reason's own. Nothing happens where it has ended already."""
        if self.reason is not None or self._app_timeout is None or self.response.is_complete:
            return
        self.reason, self._error = reason, error
        self._app_timeout.reschedule(asyncio.get_running_loop().time())

    def evict(self) -> None:
        """End the request, because others need what it holds and its peer is slow."""
        self._is_evicted = True
        if self.response.status is not None:
            self.end(EndReason.SLOW_READER)
        else:
            self.end(EndReason.SLOW_SOURCE if self.body.is_read else EndReason.SLOW_SENDER)

    def shut_down(self) -> None:
        """End the request, because the process ends."""
        self.end(EndReason.SHUTTING_DOWN)

    def begin_response(self) -> None:
        """From now on, what counts is how fast the client reads."""
        if self._app_timeout is not None:
            self._end_at(time.monotonic() + WRITE_TIMEOUT, EndReason.SLOW_READER)
        if self.admission is not None:
            self.admission.reservation.ensure_sending()

    def sent(self, size: int) -> None:
        """The client has taken `size` bytes of the response."""
        if self.admission is not None:
            self.admission.reservation.sent(size)

    async def run(self, app: ASGIApp) -> None:
        """Have the app respond, to its end or to the reason that ends it early; then see that the client knows."""
        error: BackgroundRemovalError | None = None
        try:
            async with asyncio.timeout(None) as self._app_timeout:
                await app(self.scope, self.body.receive, self.response.send)
        except Exception as exc:
            error = to_error(exc) if self.reason is None else None
        finally:
            self._let_go()
        if not self.response.is_complete:
            async with self._bounded():
                await self._send_ending(error)

    async def linger(self) -> None:
        """Let a client that is still sending see its response, which was held open for it."""
        if self.response.is_held_open:
            await self.body.drop_the_rest()
            async with self._bounded():
                await self.response.end()

    def _let_go(self) -> None:
        """Give back all that the request held: what is still to be sent is an error, and needs nothing."""
        self._app_timeout = None
        self.body.stop_watching()
        if self._timer is not None:
            self._timer.cancel()
        if self.admission is not None:
            self.admission.reservation.close()
        self._runtime.queue.leave(self)

    async def _send_ending(self, error: BackgroundRemovalError | None) -> None:
        """Send the error of the reason, or `error`. A response that is under way is broken off: it would seem to be whole."""
        ending = ENDINGS.get(self.reason) if self.reason is not None else None
        if ending is not None:
            error = self._error or (ending.error() if ending.error is not None else None)
        if self.reason is EndReason.CLIENT_LEFT:
            await self.response.send_to_nobody()
        elif error is not None and self.response.status is None:
            await self.response.send_error(error)
        else:
            self._runtime.connections.abort(self.scope)
        self.code = ending.code if ending is not None else (error or InternalError()).code

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Drop the connection of a client that does not take what little is left to send."""
        try:
            async with asyncio.timeout(ERROR_WRITE_TIMEOUT):
                yield
        except TimeoutError:
            self._runtime.connections.abort(self.scope)

    def _end_at(self, when: float, reason: EndReason) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # In no context: a loop may keep a cancelled timer till its time, and with it what the request's context holds.
        self._timer = asyncio.get_running_loop().call_at(when, self.end, reason, context=Context())


# The request that this code runs for.
request_context: ContextVar[RequestLifecycle] = ContextVar("request")
