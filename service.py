"""The BentoML service: requests in, answers out. The only file that imports BentoML's server side.

The supervisor process imports this file too, so what is heavy (numpy, onnxruntime, the pipeline's steps) is imported by the
worker, in `__init__`.
"""

import asyncio
import functools
import gc
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.clock import Clock
from pipeline.errors import BackgroundRemovalError, InternalError, OutOfMemory, StartupError
from pipeline.memory import WORKER_ENVIRONMENT, release_free_memory
from pipeline.model import MODEL_FILE, MODEL_TAG, SAMPLE, check_rembg, check_stored
from pipeline.options import Options
from pipeline.settings import load_settings
from serving.answers import EXPOSED_HEADERS, error_response, picture_response
from serving.connections import Connections
from serving.exchange import current, holding
from serving.gate import UPLOAD_ROUTE, URL_ROUTE, Gate
from serving.holdings import Holdings
from serving.line import Line
from serving.logs import LOGGER, configure_logging
from serving.metrics import Metrics
from serving.openapi import complete
from serving.page import PAGE_PATHS, page_routes
from serving.requests import URLRequest, read_upload, read_url_request
from serving.steps import observer

Picture = Annotated[bytes, bentoml.validators.ContentType("image/png")]


class Unread(bentoml.IODescriptor):
    """What BentoML hands to a method: the request as it came, for `serving.requests` to read."""

    request: Any


class _ReadLater:
    """Keeps BentoML's parser away, which fetches a URL given for a file and answers faults in shapes of its own."""

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> bentoml.IODescriptor:
        """Return the request itself, unread."""
        return Unread.model_construct(request=request)


class ByURL(_ReadLater, URLRequest, bentoml.IODescriptor):
    """The fields of POST /remove-background, for the OpenAPI document and BentoML's client."""


class ByUpload(_ReadLater, Options, bentoml.IODescriptor):
    """The fields of POST /remove-background/upload, for the OpenAPI document and BentoML's client."""

    image: Annotated[Path, bentoml.validators.ContentType("image/*")]


@functools.cache
def waiting_line() -> Line:
    """The worker's one line, shared by the gate and the service."""
    return Line(load_settings().max_waiting)


@functools.cache
def holdings() -> Holdings:
    """What the worker's requests hold, shared like the line."""
    return Holdings()


@functools.cache
def connections() -> Connections:
    """The worker's open connections."""
    return Connections()


@functools.cache
def metrics() -> Metrics:
    """The worker's metrics."""
    return Metrics((URL_ROUTE, UPLOAD_ROUTE), waiting_line(), holdings())


async def _without_timeout(middleware: TimeoutMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
    await middleware.app(scope, receive, send)


# BentoML's timeout sets a timer for each request and never cancels it: up to 11 KB of each request stay until it would have struck.
# The gate has a deadline of its own, and BentoML cannot be told to have none.
TimeoutMiddleware.__call__ = _without_timeout  # type: ignore[assignment, method-assign]


_COUNTED_PATHS = PAGE_PATHS | {URL_ROUTE, UPLOAD_ROUTE, "/health", "/healthz", "/livez", "/readyz", "/metrics", "/docs.json"}
_count = RunnerTrafficMetricsMiddleware.__call__


async def _count_known_paths(middleware: RunnerTrafficMetricsMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or scope["path"] in _COUNTED_PATHS:
        await _count(middleware, scope, receive, send)
    else:
        await middleware.app(scope, receive, send)


# BentoML's metrics keep a series for each path that was ever asked for, 22 KB each: who tries paths would fill the memory.
RunnerTrafficMetricsMiddleware.__call__ = _count_known_paths  # type: ignore[assignment, method-assign]


class Front:
    """The outermost middleware: the gate, and CORS around it where origins are set."""

    def __init__(self, app: ASGIApp) -> None:
        settings = load_settings()
        self._app: ASGIApp = Gate(app, settings, waiting_line(), holdings(), connections(), metrics())
        if settings.cors_origins:
            self._app = CORSMiddleware(
                self._app,
                allow_origins=settings.cors_origins,
                allow_methods=("GET", "POST"),
                allow_headers=("*",),
                expose_headers=EXPOSED_HEADERS,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def health(_: Request) -> Response:
    """GET /health."""
    return JSONResponse({"status": "ok"})


@functools.cache
def openapi_document() -> dict[str, Any]:
    """BentoML's OpenAPI document of this service, completed."""
    return complete(BackgroundRemover.openapi_spec.asdict(), load_settings())  # type: ignore[attr-defined]


async def docs(_: Request) -> Response:
    """GET /docs.json, which BentoML would answer with its own document."""
    return JSONResponse(openapi_document())


class StoredModel(bentoml.models.BentoModel):
    """The model in BentoML's store; its absence is a sentence, not a search of BentoML's cloud."""

    def resolve(self, *args: Any, **kwargs: Any) -> Any:
        """Return the stored model. Raises BentoMLException if the store has none."""
        if self.stored is None:
            raise bentoml.exceptions.BentoMLException(f"The model {self.tag} is not in BentoML's store: run `make setup`.")
        return super().resolve(*args, **kwargs)


@bentoml.asgi_app(Starlette(routes=[Route("/health", health), Route("/docs.json", docs), *page_routes()]), path="/")
@bentoml.service(
    name="background_remover",
    workers=1,
    http={"port": 8000},
    envs=[{"name": name, "value": value} for name, value in WORKER_ENVIRONMENT.items()],
    logging={"access": {"enabled": False}},
)
class BackgroundRemover:
    """Cuts the main subject out of a picture."""

    model = StoredModel(MODEL_TAG)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Before any worker starts: the settings and the model are right, or the start stops with one sentence."""
        configure_logging()
        try:
            settings = load_settings()
            stored = StoredModel(MODEL_TAG).resolve()
            check_stored(Path(stored.path), stored.info.labels)
            if settings.model.startswith("rembg:"):
                check_rembg(settings.model.removeprefix("rembg:"))
        except StartupError as exc:
            raise bentoml.exceptions.BentoMLException(str(exc)) from exc

    def __init__(self) -> None:
        """Load the model once, and let it answer one picture: only then is the service ready."""
        # The worker alone pays for these.
        from pipeline.download import Downloader
        from pipeline.flow import cut_out
        from pipeline.segment import runner_for

        configure_logging()
        settings = load_settings()
        self._settings = settings
        self._tracer = BentoMLContainer.tracer_provider.get().get_tracer("background_remover")
        self._downloader = Downloader(
            max_bytes=settings.max_source_bytes,
            timeout=settings.download_timeout,
            allowed_private_hosts=settings.allowed_private_hosts,
            lookup_threads=4 * settings.max_waiting,
        )
        self._runner = runner_for(settings, Path(self.model.path) / MODEL_FILE)
        self._cut_out = functools.partial(cut_out, runner=self._runner, max_pixels=settings.max_pixels)
        self._cut_out(SAMPLE.read_bytes(), Options(), clock=Clock(deadline=float("inf")))
        release_free_memory()
        gc.freeze()  # what was imported stays: a full collection would walk it for 40 ms, in the middle of some request

    @bentoml.on_startup
    async def watch(self) -> None:
        """Drop connections that hold no request. On SIGTERM, refuse new work and finish what is inside before the process ends."""
        connections().find_server()
        self._sweeping = asyncio.ensure_future(connections().sweep())
        end = signal.getsignal(signal.SIGTERM)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._start_draining, end)

    @bentoml.on_shutdown
    async def close(self) -> None:
        """Close the downloads' connections, and leave the callers' alone."""
        self._sweeping.cancel()
        await self._downloader.close()

    @bentoml.api(route=URL_ROUTE, input_spec=ByURL)
    async def remove_background(self, request: Request) -> Picture:
        """Cut out the main subject of the picture at a URL."""
        return await self._answer(request, self._by_url)  # type: ignore[return-value]

    @bentoml.api(route=UPLOAD_ROUTE, input_spec=ByUpload)
    async def remove_background_upload(self, request: Request) -> Picture:
        """Cut out the main subject of an uploaded picture."""
        return await self._answer(request, self._by_upload)  # type: ignore[return-value]

    async def _answer(self, request: Request, read: Callable[[Request, Clock], Awaitable[tuple[bytes, Options]]]) -> Response:
        """One request from its body to its answer; every error ends here."""
        clock = Clock(current.get().started + self._settings.deadline, observer(metrics(), self._tracer))
        current.get().timings = clock.milliseconds
        try:
            data, options = await read(request, clock)
            work = functools.partial(self._cut_out, data, options, clock=clock)
            cutout = await waiting_line().run(work, holdings().room_for_an_answer)
            holding().answer(len(cutout.content))
            metrics().picture(cutout.source_pixels)
            return picture_response(cutout, clock.milliseconds)
        except ClientDisconnect:
            return Response(status_code=499)  # the gate knows why, and sends nothing of this
        except BackgroundRemovalError as error:
            if error.__cause__ is not None:
                LOGGER.info("%s: %r", error.code, error.__cause__)
            return error_response(error)
        except MemoryError:
            return error_response(OutOfMemory())
        except Exception:
            LOGGER.exception("A defect: this request could not be answered")
            return error_response(InternalError())

    async def _by_url(self, request: Request, clock: Clock) -> tuple[bytes, Options]:
        wanted = await read_url_request(request)
        with clock.step("download"):
            data = await self._downloader.download(wanted.image_url, holding().reserve)
        holding().hold(len(data))
        return data, wanted

    async def _by_upload(self, request: Request, clock: Clock) -> tuple[bytes, Options]:
        with clock.step("download"):
            return await read_upload(request, self._settings.max_source_bytes)

    async def __metrics__(self, of_bentoml: str) -> str:
        """GET /metrics: what BentoML has counted for itself and for us, and our gauges."""
        return of_bentoml + await asyncio.to_thread(metrics().now)

    def _start_draining(self, end: Any) -> None:
        self._draining = asyncio.ensure_future(self._drain(end))

    async def _drain(self, end: Callable[[int, FrameType | None], None]) -> None:
        LOGGER.info("SIGTERM: finishing what is inside")
        await waiting_line().close(self._settings.drain)
        end(signal.SIGTERM, None)


BackgroundRemover.add_asgi_middleware(Front)  # type: ignore[attr-defined]
