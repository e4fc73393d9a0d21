"""POST /v1.0/removebg and GET /v1.0/account, as an ASGI app below /v1.0.

Whatever is below /v1.0 gets its errors in remove.bg's shape.
"""

import functools
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pipeline.errors import DOWNLOAD_ERRORS, BackgroundRemovalError, SourceTooLarge
from pipeline.request_timer import RequestTimer
from serving.errors import NotFound
from serving.lifecycle import Admission, RequestLifecycle, request_context
from serving.removebg.body import Body, body_limit, read_body
from serving.removebg.errors import BackdropFailed, RemovebgError, answer_of, error_response
from serving.removebg.parameters import Parameters, parse_parameters
from serving.removebg.results import (
    Result,
    make_result,
    rate_limit_headers,
    result_response,
    wants_json,
)
from serving.respond import process, respond
from serving.runtime import REMOVEBG_ENDPOINT

if TYPE_CHECKING:  # the supervisor imports this module and must not load the pipeline's steps
    from pipeline.canvas.backdrop import Backdrop
    from pipeline.canvas.compose_image import Composed
    from pipeline.engine import Engine, Slot
    from pipeline.fetch.download import Downloader
    from serving.runtime import Runtime

PREFIX = "/v1.0"
ACCOUNT_ENDPOINT = f"{PREFIX}/account"

_NO_CREDITS = {"total": 0, "subscription": 0, "payg": 0, "enterprise": 0}


@dataclass
class Work:
    """A request that has been read: its parameters, and the encoded images."""

    parameters: Parameters
    image: bytes
    backdrop: bytes | None
    as_json: bool


class RemovebgAPI:
    """remove.bg's routes. There is one instance per worker."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._downloader: Downloader | None = None
        self._engine: Engine | None = None
        self._routes = Starlette(
            routes=[
                Route("/removebg", self._remove_background, methods=["POST"]),
                Route("/account", self._account, methods=["GET"]),
            ]
        )

    def start(self, downloader: "Downloader", engine: "Engine") -> None:
        """Give the routes what only the worker has. Call this before the first request."""
        self._downloader = downloader
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request below /v1.0."""
        if self._runtime.settings.removebg == "off":
            await PlainTextResponse("", status_code=404)(scope, receive, send)
            return
        request_context.get().response.render_error = self._render_error
        await self._routes(scope, receive, send)

    def _render_error(
        self, error: BackgroundRemovalError, headers: dict[str, str] | None = None
    ) -> Response:
        return error_response(error, {**(headers or {}), **self._rate_limit()})

    def _rate_limit(self) -> dict[str, str]:
        queue = self._runtime.queue
        return rate_limit_headers(queue.capacity, queue.active, time.time())

    async def _account(self, request: Request) -> Response:
        try:
            self._runtime.api_keys.check(request.headers)
        except BackgroundRemovalError as error:
            request_context.get().code = error.code
            return self._render_error(error)
        attributes = {"credits": _NO_CREDITS, "api": {"free_calls": 0, "sizes": "all"}}
        return JSONResponse({"data": {"attributes": attributes}}, headers=self._rate_limit())

    async def _remove_background(self, request: Request) -> Response:
        return await respond(self._answer(request))

    def admit(self, request: RequestLifecycle) -> Admission:
        """Admit a request to POST /v1.0/removebg.

        Raises NotFound if the routes are off, and what RequestLifecycle.admit raises.
        """
        if self._runtime.settings.removebg == "off":
            raise NotFound
        request.response.render_error = self._render_error
        limit = body_limit(self._runtime.settings.max_source_bytes)
        return request.admit(REMOVEBG_ENDPOINT, limit)

    async def _answer(self, request: Request) -> Response:
        admission = self.admit(request_context.get())
        read = functools.partial(self._read, request)
        result = await process(self._runtime, admission, read, self._process)
        return result_response(result, self._rate_limit())

    def _process(self, work: Work, timer: RequestTimer, is_shared: bool) -> Result:
        """Compose the image and its description, in the executor's thread."""
        assert self._engine is not None
        compose = functools.partial(_compose, work, self._runtime.settings.max_pixels, timer)
        composed = self._engine.run(compose, is_shared)
        return make_result(composed, work.parameters.shown_type, work.as_json)

    async def _read(self, request: Request, admission: Admission) -> Work:
        """Read the parameters, and the images from the body or their URLs."""
        max_bytes = self._runtime.settings.max_source_bytes
        with admission.timer.step("receive"):
            body = await read_body(request, max_bytes)
        parameters = parse_parameters(body.fields)
        _check_sources(body)
        has_color = parameters.bg_color[3] > 0
        if has_color + (parameters.bg_image_url is not None) + (body.backdrop is not None) > 1:
            raise RemovebgError(
                "multiple_bg_sources",
                "Multiple background sources given.",
                "Send at most one of bg_color, bg_image_url and bg_image_file.",
            )
        if body.image is None and body.backdrop is None:
            admission.reservation.release()
        image, backdrop = body.image, body.backdrop
        if parameters.image_url is not None:
            image = await self._download(parameters.image_url, admission, max_bytes)
        assert image is not None
        if parameters.bg_image_url is not None:
            left = max_bytes - len(image)
            try:
                backdrop = await self._download(parameters.bg_image_url, admission, left)
            except tuple(DOWNLOAD_ERRORS) as exc:
                raise BackdropFailed(exc) from exc
        admission.reservation.complete()
        as_json = wants_json(request.headers)
        return Work(parameters, image, backdrop, as_json)

    async def _download(self, url: str, admission: Admission, max_bytes: int) -> bytes:
        """Download at most `max_bytes` bytes. Raises what the downloader raises."""
        assert self._downloader is not None
        received = 0

        async def reserve(size: int) -> None:
            nonlocal received
            received += size
            if received > max_bytes:
                raise SourceTooLarge(max_bytes)
            await admission.reservation.grow(size)

        with admission.timer.step("download"):
            return await self._downloader.download(url, reserve)


def _compose(work: Work, max_pixels: int, timer: RequestTimer, slot: "Slot") -> "Composed":
    """Compose the image of a request. Raises what the pipeline raises, and BackdropFailed."""
    # Only the worker loads the pipeline's steps.
    from pipeline.canvas.backdrop import read_backdrop
    from pipeline.canvas.compose_image import compose_image

    plan = work.parameters.plan(work.backdrop is not None)
    backdrop: Backdrop | None = None
    if work.backdrop is not None:
        try:
            with timer.step("backdrop"):
                backdrop = read_backdrop(
                    work.backdrop, plan.max_pixels, max_pixels, slot.claim, slot.heif
                )
        except BackgroundRemovalError as exc:
            if answer_of(exc).status != HTTPStatus.BAD_REQUEST:
                raise
            raise BackdropFailed(exc) from exc
        work.backdrop = None
    return compose_image(work.image, plan, slot, max_pixels, timer, backdrop)


def _check_sources(body: Body) -> None:
    """Raise RemovebgError unless the body has exactly one source."""
    if not body.sources:
        raise RemovebgError(
            "missing_source",
            "No image given.",
            "Send the image in one of image_file, image_file_b64 and image_url.",
        )
    if len(body.sources) > 1:
        raise RemovebgError(
            "multiple_sources",
            "Multiple image sources given.",
            "Send only one of image_file, image_file_b64 and image_url.",
        )
