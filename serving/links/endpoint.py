"""GET and HEAD /remove-background: the request is the URL, signed by a key of BGR_URL_KEYS.

Without keys, the route does not exist. The signature is the authorization: a link needs no API key.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from pipeline.errors import BackgroundRemovalError
from serving.lifecycle import Admission, request_context
from serving.links.cache import (
    CACHE_CONTROL,
    SHOWABLE,
    cache_control,
    disposition,
    entity_tag,
    error_cache_control,
    is_known,
)
from serving.links.single_flight import SingleFlight
from serving.parsing import URL_ENDPOINT, URLRequest, parse_link
from serving.respond import respond
from serving.responses import cutout_response, error_response

if TYPE_CHECKING:  # the supervisor imports this module and must not load the pipeline's steps
    from pipeline.remove_background import Cutout
    from serving.runtime import Runtime

_METHODS = ("GET", "HEAD")

CutOut = Callable[[URLRequest, Admission], Awaitable["Cutout"]]


@dataclass(frozen=True)
class Tagged:
    """A cutout and its entity tag."""

    cutout: "Cutout"
    tag: str


class LinksAPI:
    """The route of links. There is one instance per worker."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._flights: SingleFlight[Tagged] = SingleFlight(runtime)
        self._cut_out: CutOut | None = None

    @property
    def is_on(self) -> bool:
        """Whether keys are configured."""
        return bool(self._runtime.settings.url_keys)

    def start(self, cut_out: CutOut) -> None:
        """Give the route what only the worker has. Call this before the first request."""
        self._cut_out = cut_out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request that is not a POST."""
        if scope["method"] not in _METHODS:
            refused = Response(status_code=405, headers={"Allow": ", ".join((*_METHODS, "POST"))})
            await refused(scope, receive, send)
            return
        with ExitStack() as until_sent:
            response = await respond(self._answer(Request(scope, receive), until_sent))
            await response(scope, receive, send)

    async def _answer(self, request: Request, until_sent: ExitStack) -> Response:
        lifecycle = request_context.get()
        lifecycle.endpoint = URL_ENDPOINT
        lifecycle.response.render_error = functools.partial(_render_error, None)
        link = self._runtime.url_keys.verify(request.scope["query_string"], time.time())
        lifecycle.response.render_error = functools.partial(_render_error, link.expires)
        fields = parse_link(link.fields)
        admission = lifecycle.admit_shared(URL_ENDPOINT)
        await request.body()  # empty; from here on, the lifecycle notices that the client leaves
        fly = functools.partial(self._make, fields)
        flight = until_sent.enter_context(self._flights.join(link.canonical, admission, fly))
        tagged = await flight.result()
        admission.timer.milliseconds.update(flight.milliseconds)
        headers = {
            CACHE_CONTROL: cache_control(
                self._runtime.settings.cache_seconds, _seconds_left(link.expires)
            ),
            "ETag": tagged.tag,
            "Content-Disposition": disposition(fields.image_url, tagged.cutout.media_type),
            **SHOWABLE,
        }
        if is_known(tagged.tag, request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)
        response = cutout_response(tagged.cutout, flight.milliseconds)
        response.headers.update(headers)
        return response

    async def _make(self, fields: URLRequest, admission: Admission) -> Tagged:
        assert self._cut_out is not None
        cutout = await self._cut_out(fields, admission)
        # The digest of 20 MB takes 15 ms or more, for which no other request should wait.
        return Tagged(cutout, await asyncio.to_thread(entity_tag, cutout.content))


class LinkRoute(Route):
    """The path of links, for all methods that BentoML's own route of the path lacks."""

    def __init__(self, api: LinksAPI) -> None:
        super().__init__(URL_ENDPOINT, api)
        self._api = api

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path if keys are configured."""
        return super().matches(scope) if self._api.is_on else (Match.NONE, {})


def _seconds_left(expires: int | None) -> float | None:
    return None if expires is None else max(0.0, expires - time.time())


def _render_error(
    expires: int | None, error: BackgroundRemovalError, headers: dict[str, str] | None = None
) -> Response:
    caching = error_cache_control(error, _seconds_left(expires))
    return error_response(error, {**(headers or {}), CACHE_CONTROL: caching})
