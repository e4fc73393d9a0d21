"""What all routes with images have in common: a request's way to the result, and its response."""

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from pipeline.request_timer import RequestTimer
from serving.end_reasons import OK
from serving.lifecycle import Admission, request_context
from serving.responses import to_error

if TYPE_CHECKING:
    from serving.runtime import Runtime


class Processed(Protocol):
    """The result of a request: the bytes for the client, and the pixels of the source."""

    @property
    def content(self) -> bytes:
        """The body of the response."""

    @property
    def source_pixels(self) -> int:
        """The width × height of the source."""


W = TypeVar("W")
P = TypeVar("P", bound=Processed)


async def respond(answer: Awaitable[Response]) -> Response:
    """Return the response that `answer` builds. Every error becomes a response here."""
    lifecycle = request_context.get()
    try:
        response = await answer
    except ClientDisconnect:
        return Response(status_code=499)  # never sent: the lifecycle has ended the request
    except Exception as exc:
        error = to_error(exc)
        lifecycle.code = error.code
        return lifecycle.response.render_error(error)
    lifecycle.code = OK
    return response


async def process(
    runtime: "Runtime",
    admission: Admission,
    read: Callable[[Admission], Awaitable[W]],
    work: Callable[[W, RequestTimer, bool], P],
) -> P:
    """Read an admitted request, wait for its turn, and run `work` in the executor's thread.

    `work` gets what was read, the request's timer, and whether another image is processed beside
    it. Raises what `read` and `work` raise.
    """
    source = await read(admission)
    async with runtime.queue.turn(admission.timer.step("wait")) as turn:
        result = await turn.run(
            functools.partial(work, source, admission.timer, turn.is_shared),
        )
        admission.reservation.begin_sending(len(result.content))
    runtime.metrics.count_image(result.source_pixels)
    return result
