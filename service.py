"""The BentoML service: the model, start and stop, and the API methods.

The supervisor process imports this file too. NumPy, onnxruntime and the pipeline's steps need
memory, so only the worker imports them, in `__init__`.
"""

import asyncio
import functools
import gc
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from compat.bentoml import ReadLater, bypass, count_only, disable_timeouts
from pipeline.errors import StartupError
from pipeline.memory import WORKER_ENVIRONMENT, release_free_memory
from pipeline.options import Options
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from serving.early_refusal import Admit, EarlyRefusal
from serving.lifecycle import Admission, RequestLifecycle, request_context
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
from serving.removebg.routes import ACCOUNT_ENDPOINT, RemovebgAPI
from serving.removebg.routes import PREFIX as REMOVEBG_PREFIX
from serving.respond import process, respond
from serving.responses import cutout_response
from serving.runtime import REMOVEBG_ENDPOINT, Runtime
from serving.startup import check_libraries, check_model
from serving.static import PAGE_PATHS, page_routes

if TYPE_CHECKING:
    from pipeline.remove_background import Cutout

runtime = Runtime()
removebg = RemovebgAPI(runtime)

_COUNTED_PATHS = PAGE_PATHS | {
    URL_ENDPOINT,
    UPLOAD_ENDPOINT,
    REMOVEBG_ENDPOINT,
    ACCOUNT_ENDPOINT,
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
    "/metrics",
    "/docs.json",
}

# The bytes of an encoded image, and what to do with it.
Source = tuple[bytes, Options]

ImageBytes = Annotated[bytes, bentoml.validators.ContentType("image/png")]


class URLInput(ReadLater, URLRequest, bentoml.IODescriptor):
    """The fields of POST /remove-background, for OpenAPI and BentoML's client."""


class UploadInput(ReadLater, Options, bentoml.IODescriptor):
    """The fields of POST /remove-background/upload, for OpenAPI and BentoML's client."""

    image: Annotated[Path, bentoml.validators.ContentType("image/*")]


def admit_url(request: RequestLifecycle) -> Admission:
    """Admit a request to POST /remove-background. Raises what RequestLifecycle.admit raises."""
    return request.admit(URL_ENDPOINT, MAX_JSON_BYTES)


def admit_upload(request: RequestLifecycle) -> Admission:
    """Admit a request to POST /remove-background/upload. Raises what `admit_url` raises."""
    return request.admit(UPLOAD_ENDPOINT, runtime.settings.max_source_bytes + FORM_BYTES)


async def health(_: Request) -> Response:
    """Respond to GET /health."""
    return JSONResponse({"status": "ok"})


@functools.cache
def openapi_document() -> bytes:
    """Return BentoML's OpenAPI document of this service, completed, as JSON."""
    document = BackgroundRemover.openapi_spec.asdict()  # type: ignore[attr-defined]
    return json.dumps(complete(document, runtime.settings)).encode()


async def docs(_: Request) -> Response:
    """Respond to GET /docs.json, in place of BentoML's own document."""
    return Response(openapi_document(), media_type="application/json")


class StoredModel(bentoml.models.BentoModel):
    """The model in BentoML's store. BentoML itself would look for it in its cloud too."""

    def resolve(self, *args: Any, **kwargs: Any) -> Any:
        """Return the stored model. Raises BentoMLException if there is none."""
        if self.stored is None:
            raise bentoml.exceptions.BentoMLException(
                f"The model {self.tag} is not in BentoML's store: run `make setup`."
            )
        return super().resolve(*args, **kwargs)


@bentoml.asgi_app(
    Starlette(
        routes=[
            Route("/health", health),
            Route("/docs.json", docs),
            *page_routes(),
            Mount(REMOVEBG_PREFIX, removebg),
        ]
    ),
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
    """Removes the background of an image."""

    model = StoredModel(MODEL_TAG)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Check settings, libraries and model before any worker starts.

        Raises BentoMLException with one sentence, which ends the start.
        """
        configure_logging()
        try:
            check_libraries()
            settings = runtime.settings
            stored = StoredModel(MODEL_TAG).resolve()
            check_model(settings, Path(stored.path), stored.info.labels)
        except StartupError as exc:
            raise bentoml.exceptions.BentoMLException(str(exc)) from exc

    def __init__(self) -> None:
        """Load the model and process one image; after that, the service is ready."""
        # Only the worker needs these.
        from pipeline.engine import load_engine
        from pipeline.fetch.download import Downloader
        from pipeline.remove_background import remove_background

        configure_logging()
        settings = runtime.settings
        self._downloader = Downloader(
            max_bytes=settings.max_source_bytes,
            timeout=settings.download_timeout,
            allowed_private_hosts=settings.allowed_private_hosts,
            lookup_threads=4 * settings.max_waiting,
        )
        self._engine = load_engine(
            settings.model, Path(self.model.path) / MODEL_FILE, settings.threads, settings.slots
        )
        self._remove_background = functools.partial(
            remove_background, max_pixels=settings.max_pixels
        )
        removebg.start(self._downloader, self._engine)
        for is_shared in (True, False):
            timer = RequestTimer(deadline=float("inf"))
            self._process((SAMPLE.read_bytes(), Options()), timer, is_shared)
        release_free_memory()
        # A full collection would take 40 ms of some request to visit all that was imported.
        gc.freeze()

    @bentoml.on_startup
    async def watch(self) -> None:
        """Start aborting idle connections. On SIGTERM, finish active requests before stopping."""
        runtime.connections.find_server()
        self._sweeping = asyncio.ensure_future(runtime.connections.sweep())
        end = signal.getsignal(signal.SIGTERM)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._start_draining, end)

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Close the connections of downloads."""
        self._sweeping.cancel()
        await self._downloader.close()

    @bentoml.api(route=URL_ENDPOINT, input_spec=URLInput)
    async def remove_background(self, request: Request) -> ImageBytes:
        """Cut out the main subject of the image at a URL."""
        read = functools.partial(self._read_url, request)
        response = await respond(self._answer(admit_url, read))
        return response  # type: ignore[return-value]

    @bentoml.api(route=UPLOAD_ENDPOINT, input_spec=UploadInput)
    async def remove_background_upload(self, request: Request) -> ImageBytes:
        """Cut out the main subject of an uploaded image."""
        read = functools.partial(self._read_upload, request)
        response = await respond(self._answer(admit_upload, read))
        return response  # type: ignore[return-value]

    async def _answer(
        self, admit: Admit, read: Callable[[Admission], Awaitable[Source]]
    ) -> Response:
        admission = admit(request_context.get())
        cutout = await process(runtime, admission, read, self._process)
        return cutout_response(cutout, admission.timer.milliseconds)

    def _process(self, source: Source, timer: RequestTimer, is_shared: bool) -> "Cutout":
        """Remove the background, in the executor's thread."""
        work = functools.partial(self._remove_background, *source, timer=timer)
        return self._engine.run(work, is_shared)

    async def _read_url(self, request: Request, admission: Admission) -> Source:
        fields = await read_url_request(request)
        admission.reservation.release()
        with admission.timer.step("download"):
            image = await self._downloader.download(fields.image_url, admission.reservation.grow)
        admission.reservation.complete()
        return image, fields

    async def _read_upload(self, request: Request, admission: Admission) -> Source:
        with admission.timer.step("receive"):
            return await read_upload(request, runtime.settings.max_source_bytes)

    async def __is_ready__(self) -> bool:
        """Return whether GET /readyz responds with 200, which it does until SIGTERM."""
        return runtime.queue.is_open

    async def __metrics__(self, counted: str) -> str:
        """Return the text of GET /metrics: all counters, as `counted` by BentoML, and gauges."""
        return counted + await runtime.metrics.gauges()

    def _start_draining(self, end: Any) -> None:
        self._draining = asyncio.ensure_future(self._drain(end))

    async def _drain(self, end: Callable[[int, FrameType | None], None]) -> None:
        LOGGER.info("SIGTERM: finishing the active requests")
        try:
            await runtime.queue.drain(runtime.settings.drain)
        finally:
            runtime.connections.shorten_timeout()
            end(signal.SIGTERM, None)


disable_timeouts()
count_only(_COUNTED_PATHS)
refusal = EarlyRefusal(
    runtime,
    {
        URL_ENDPOINT: admit_url,
        UPLOAD_ENDPOINT: admit_upload,
        REMOVEBG_ENDPOINT: removebg.admit,
    },
)
bypass(refusal.takes, refusal)
BackgroundRemover.add_asgi_middleware(create_middleware, runtime=runtime)  # type: ignore[attr-defined]
