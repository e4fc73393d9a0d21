"""The BentoML service: the model, the start, the stop and the API's methods.

The supervisor process imports this file too, so what is heavy (numpy, onnxruntime, the pipeline's steps) is imported by the
worker, in `__init__`.
"""

import asyncio
import functools
import gc
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import bentoml
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import compat.bentoml
from pipeline.errors import StartupError
from pipeline.memory import WORKER_ENVIRONMENT, release_free_memory
from pipeline.options import Options
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from serving.end_reasons import OK
from serving.lifecycle import Admission, request_context
from serving.logging import LOGGER, configure_logging
from serving.middleware import create_middleware
from serving.openapi import complete
from serving.parsing import (
    FORM_BYTES,
    MAX_JSON_BYTES,
    UPLOAD_ENDPOINT,
    URL_ENDPOINT,
    URLRequest,
    read_upload,
    read_url_request,
)
from serving.responses import cutout_response, error_response, to_error
from serving.runtime import Runtime
from serving.startup import check_libraries, check_model
from serving.static import PAGE_PATHS, page_routes

runtime = Runtime()

_COUNTED_PATHS = PAGE_PATHS | {
    URL_ENDPOINT,
    UPLOAD_ENDPOINT,
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
    "/metrics",
    "/docs.json",
}

Picture = Annotated[bytes, bentoml.validators.ContentType("image/png")]


class ByURL(compat.bentoml.ReadLater, URLRequest, bentoml.IODescriptor):
    """The fields of POST /remove-background, for the OpenAPI document and BentoML's client."""


class ByUpload(compat.bentoml.ReadLater, Options, bentoml.IODescriptor):
    """The fields of POST /remove-background/upload, for the OpenAPI document and BentoML's client."""

    image: Annotated[Path, bentoml.validators.ContentType("image/*")]


async def health(_: Request) -> Response:
    """GET /health."""
    return JSONResponse({"status": "ok"})


@functools.cache
def openapi_document() -> bytes:
    """BentoML's OpenAPI document of this service, completed, as JSON."""
    return json.dumps(complete(BackgroundRemover.openapi_spec.asdict(), runtime.settings)).encode()  # type: ignore[attr-defined]


async def docs(_: Request) -> Response:
    """GET /docs.json, which BentoML would answer with its own document."""
    return Response(openapi_document(), media_type="application/json")


class StoredModel(bentoml.models.BentoModel):
    """The model in BentoML's store; its absence is a sentence, not a search of BentoML's cloud."""

    def resolve(self, *args: Any, **kwargs: Any) -> Any:
        """Return the stored model. Raises BentoMLException if the store has none."""
        if self.stored is None:
            raise bentoml.exceptions.BentoMLException(
                f"The model {self.tag} is not in BentoML's store: run `make setup`."
            )
        return super().resolve(*args, **kwargs)


@bentoml.asgi_app(
    Starlette(routes=[Route("/health", health), Route("/docs.json", docs), *page_routes()]),
    path="/",
)
@bentoml.service(
    name="background_remover",
    workers=1,
    http={"port": 8000},
    envs=[{"name": name, "value": value} for name, value in WORKER_ENVIRONMENT.items()],
    logging={"access": {"enabled": False}},
)
class BackgroundRemover:
    """Cuts the main subject out of an image."""

    model = StoredModel(MODEL_TAG)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any worker starts: the settings and the model are right, or the start stops with one sentence."""
        configure_logging()
        try:
            check_libraries()
            settings = runtime.settings
            stored = StoredModel(MODEL_TAG).resolve()
            check_model(settings, Path(stored.path), stored.info.labels)
        except StartupError as exc:
            raise bentoml.exceptions.BentoMLException(str(exc)) from exc

    def __init__(self) -> None:
        """Load the model once, and let it answer one image: only then is the service ready."""
        # The worker alone pays for these.
        from pipeline.fetch.download import Downloader
        from pipeline.image.strips import Strips
        from pipeline.mask.segmenter import load_segmenter
        from pipeline.remove_background import remove_background

        configure_logging()
        settings = runtime.settings
        self._downloader = Downloader(
            max_bytes=settings.max_source_bytes,
            timeout=settings.download_timeout,
            allowed_private_hosts=settings.allowed_private_hosts,
            lookup_threads=4 * settings.max_waiting,
        )
        self._segmenter = load_segmenter(
            settings.model, Path(self.model.path) / MODEL_FILE, settings.threads
        )
        strips = Strips(settings.threads)
        self._remove_background = functools.partial(
            remove_background,
            segmenter=self._segmenter,
            max_pixels=settings.max_pixels,
            strips=strips,
        )
        self._remove_background(
            SAMPLE.read_bytes(), Options(), timer=RequestTimer(deadline=float("inf"))
        )
        release_free_memory()
        gc.freeze()  # what was imported stays: a full collection would walk it for 40 ms, in the middle of some request

    @bentoml.on_startup
    async def watch(self) -> None:
        """Drop connections that hold no request. On SIGTERM, refuse new work and finish what is active before the process ends."""
        runtime.connections.find_server()
        self._sweeping = asyncio.ensure_future(runtime.connections.sweep())
        end = signal.getsignal(signal.SIGTERM)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._start_draining, end)

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Close the downloads' connections, and leave the clients' alone."""
        self._sweeping.cancel()
        await self._downloader.close()

    @bentoml.api(route=URL_ENDPOINT, input_spec=ByURL)
    async def remove_background(self, request: Request) -> Picture:
        """Cut out the main subject of the image at a URL."""
        return await self._respond(request, URL_ENDPOINT, MAX_JSON_BYTES, self._read_url)  # type: ignore[return-value]

    @bentoml.api(route=UPLOAD_ENDPOINT, input_spec=ByUpload)
    async def remove_background_upload(self, request: Request) -> Picture:
        """Cut out the main subject of an uploaded image."""
        limit = runtime.settings.max_source_bytes + FORM_BYTES
        return await self._respond(request, UPLOAD_ENDPOINT, limit, self._read_upload)  # type: ignore[return-value]

    async def _respond(
        self,
        request: Request,
        endpoint: str,
        max_body_bytes: int,
        read: Callable[[Request, Admission], Awaitable[tuple[bytes, Options]]],
    ) -> Response:
        """One request from its admission to its response. Every error ends here."""
        lifecycle = request_context.get()
        try:
            admission = lifecycle.admit(endpoint, max_body_bytes)
            image, options = await read(request, admission)
            work = functools.partial(self._remove_background, image, options, timer=admission.timer)
            async with runtime.queue.turn(admission.timer.step("wait")) as turn:
                cutout = await turn.run(work)
                admission.reservation.begin_sending(len(cutout.content))
            runtime.metrics.image(cutout.source_pixels)
            lifecycle.code = OK
            return cutout_response(cutout, admission.timer.milliseconds)
        except ClientDisconnect:
            return Response(status_code=499)  # the lifecycle knows why, and sends nothing of this
        except Exception as fault:
            error = to_error(fault)
            lifecycle.code = error.code
            return error_response(error)

    async def _read_url(self, request: Request, admission: Admission) -> tuple[bytes, Options]:
        wanted = await read_url_request(request)
        admission.reservation.release()
        with admission.timer.step("download"):
            image = await self._downloader.download(wanted.image_url, admission.reservation.grow)
        admission.reservation.complete()
        return image, wanted

    async def _read_upload(self, request: Request, admission: Admission) -> tuple[bytes, Options]:
        with admission.timer.step("receive"):
            return await read_upload(request, runtime.settings.max_source_bytes)

    async def __is_ready__(self) -> bool:
        """Whether GET /readyz answers 200: not while the process ends."""
        return runtime.queue.is_open

    async def __metrics__(self, of_bentoml: str) -> str:
        """GET /metrics: what BentoML has counted for itself and for us, and our gauges."""
        return of_bentoml + await runtime.metrics.now()

    def _start_draining(self, end: Any) -> None:
        self._draining = asyncio.ensure_future(self._drain(end))

    async def _drain(self, end: Callable[[int, FrameType | None], None]) -> None:
        LOGGER.info("SIGTERM: finishing the active requests")
        try:
            await runtime.queue.drain(runtime.settings.drain)
        finally:
            runtime.connections.hurry()
            end(signal.SIGTERM, None)


compat.bentoml.disable_timeouts()
compat.bentoml.count_only(_COUNTED_PATHS)
BackgroundRemover.add_asgi_middleware(create_middleware, runtime=runtime)  # type: ignore[attr-defined]
