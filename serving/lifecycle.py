"""One request, from first byte to last. Only this module sets its deadline and ends it early.

admit   called by the API method: checks the key, the size and the queue, starts the deadline
run     runs the app until it has responded or `end` is called
end     ends the request early: its deadline, the client, a slow peer or the process. The first
        reason counts; `end_reasons.py` maps it to response, log line and metric
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

# A client must read its response within this many seconds. Until then it stays in memory.
WRITE_TIMEOUT = 60.0
# The same for an error, which is small, and for the last part of a response.
ERROR_WRITE_TIMEOUT = 5.0


@dataclass(frozen=True)
class Admission:
    """An admitted request's deadline and memory."""

    timer: RequestTimer
    reservation: Reservation


class RequestLifecycle:
    """One request and its response. Call all methods in the event loop's thread."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, runtime: "Runtime") -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.started = time.monotonic()
        self.request_id = current_request_id()
        # For the log line and the metric: the endpoint that admitted the request, and the result.
        self.endpoint: str | None = None
        self.code: str | None = None
        self.admission: Admission | None = None
        self.reason: EndReason | None = None
        # These refer back by a proxy. A cycle would keep every request in memory until Python
        # collects cycles, thousands of requests later.
        self.body = RequestBody(receive, self.headers, weakref.proxy(self))
        self.response = ResponseSender(send, weakref.proxy(self))
        self._runtime = runtime
        self._error: BackgroundRemovalError | None = None
        self._app_timeout: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._holds_place = True

    @property
    def holds_place(self) -> bool:
        """Whether the request counts as active."""
        return self._holds_place

    def admit(self, endpoint: str, max_body_bytes: int) -> Admission:
        """Admit the request to `endpoint`. Without admission, a request cannot send a body.

        Raises Unauthorized, Busy, ShuttingDown, or RequestTooLarge if its Content-Length is larger.
        """
        self.endpoint = endpoint
        self._runtime.api_keys.check(self.headers)
        return self._enter(max_body_bytes)

    def admit_shared(self, endpoint: str) -> Admission:
        """Admit a request without a body to work that others share, and that has its own place.

        It needs no API key: the caller has checked another authorization. Raises ShuttingDown or
        RequestTooLarge.
        """
        self.endpoint = endpoint
        self._holds_place = False
        return self._enter(0)

    def _enter(self, max_body_bytes: int) -> Admission:
        runtime = self._runtime
        self.body.allow(max_body_bytes)
        runtime.queue.admit(self)
        deadline = self.started + runtime.settings.deadline
        self._end_at(deadline, EndReason.DEADLINE)
        timer = RequestTimer(deadline, step_recorder(runtime.metrics, runtime.tracer))
        self.admission = Admission(timer, runtime.budget.open(self.evict))
        return self.admission

    def end(self, reason: EndReason, error: BackgroundRemovalError | None = None) -> None:
        """End the request early, unless it has ended. `error` replaces the reason's own error."""
        if self.reason is not None or self._app_timeout is None or self.response.is_complete:
            return
        self.reason, self._error = reason, error
        self._app_timeout.reschedule(asyncio.get_running_loop().time())

    def evict(self) -> None:
        """End the request because its peer is slow and others need its memory or place."""
        self._holds_place = False
        if self.response.status is not None:
            self.end(EndReason.SLOW_READER)
        else:
            self.end(EndReason.SLOW_SOURCE if self.body.is_read else EndReason.SLOW_SENDER)

    def shut_down(self) -> None:
        """End the request because the process ends."""
        self.end(EndReason.SHUTTING_DOWN)

    def begin_response(self) -> None:
        """Replace the deadline with the time limit for reading the response."""
        if self._app_timeout is not None:
            self._end_at(time.monotonic() + WRITE_TIMEOUT, EndReason.SLOW_READER)
        if self.admission is not None:
            self.admission.reservation.ensure_sending()

    def sent(self, size: int) -> None:
        """Count `size` bytes of the response that the client has taken."""
        if self.admission is not None:
            self.admission.reservation.sent(size)

    async def run(self, app: ASGIApp) -> None:
        """Run the app until it has responded or the request ends early; then send the error."""
        error: BackgroundRemovalError | None = None
        try:
            async with asyncio.timeout(None) as self._app_timeout:
                await app(self.scope, self.body.receive, self.response.send)
        except Exception as exc:
            error = to_error(exc) if self.reason is None else None
        finally:
            self._release()
        if not self.response.is_complete:
            async with self._bounded():
                await self._send_ending(error)

    async def linger(self) -> None:
        """Discard the rest of the body, then end a response that was held open meanwhile."""
        if self.response.is_held_open:
            await self.body.discard_rest()
            async with self._bounded():
                await self.response.end()

    def _release(self) -> None:
        """Release memory, place and timers. At most an error remains to be sent."""
        self._app_timeout = None
        self.body.stop_watching()
        if self._timer is not None:
            self._timer.cancel()
        if self.admission is not None:
            self.admission.reservation.close()
        self._runtime.queue.leave(self)

    async def _send_ending(self, error: BackgroundRemovalError | None) -> None:
        """Send the reason's error, or `error`. Abort a response that has begun."""
        ending = ENDINGS.get(self.reason) if self.reason is not None else None
        if ending is not None:
            error = self._error or (ending.error() if ending.error is not None else None)
        if self.reason is EndReason.CLIENT_LEFT:
            await self.response.end_disconnected()
        elif error is not None and self.response.status is None:
            await self.response.send_error(error)
        else:
            self._runtime.connections.abort(self.scope)
        self.code = ending.code if ending is not None else (error or InternalError()).code

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Abort the connection if the client does not read the rest in time."""
        try:
            async with asyncio.timeout(ERROR_WRITE_TIMEOUT):
                yield
        except TimeoutError:
            self._runtime.connections.abort(self.scope)

    def _end_at(self, when: float, reason: EndReason) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # In an empty context: the event loop may keep a cancelled timer until its time, and with
        # the timer everything in its context.
        self._timer = asyncio.get_running_loop().call_at(when, self.end, reason, context=Context())


# The current request.
request_context: ContextVar[RequestLifecycle] = ContextVar("request")
