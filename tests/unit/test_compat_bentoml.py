"""What BentoML lacks a setting for."""

import asyncio
from types import SimpleNamespace
from typing import Any

import bentoml
import pytest
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from compat import MovedError
from compat import bentoml as compat_bentoml
from compat.bentoml import ReadLater, bypass, check, count_only, disable_timeouts, tracer


class Moved:
    """An API of another shape."""


def test_the_locked_version_passes() -> None:
    check()


@pytest.mark.parametrize(
    ("owner", "name", "what"),
    [
        (bentoml.IODescriptor, "from_http_request", "from_http_request"),
        (compat_bentoml, "TimeoutMiddleware", "TimeoutMiddleware"),
        (compat_bentoml, "RunnerTrafficMetricsMiddleware", "RunnerTrafficMetricsMiddleware"),
        (compat_bentoml, "BentoMLContainer", "tracer"),
    ],
)
def test_a_missing_api_is_named(
    owner: Any, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, Moved)
    with pytest.raises(MovedError, match=f"^BentoML {bentoml.__version__} .*{what}"):
        check()


class Passed:
    """An app that records the paths of its requests."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope.get("path", scope["type"]))


async def call(middleware: type, app: ASGIApp, **scope: str) -> None:
    """Call a middleware around `app`, without BentoML's settings for it."""
    unused: Any = None
    await middleware.__call__(SimpleNamespace(app=app), scope, unused, unused)


async def test_a_disabled_timeout_starts_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutMiddleware, "__call__", None)
    disable_timeouts()
    app, timers = Passed(), []
    monkeypatch.setattr(
        asyncio.get_running_loop(), "call_at", lambda *timer, **_: timers.append(timer)
    )
    await call(TimeoutMiddleware, app, type="http", path="/")
    assert (app.paths, timers) == (["/"], [])


async def test_only_the_given_paths_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    async def count(middleware: Any, scope: Scope, receive: Receive, send: Send) -> None:
        counted.append(scope.get("path", scope["type"]))
        await middleware.app(scope, receive, send)

    monkeypatch.setattr(RunnerTrafficMetricsMiddleware, "__call__", count)
    count_only({"/one"})
    app = Passed()
    await call(RunnerTrafficMetricsMiddleware, app, type="http", path="/one")
    await call(RunnerTrafficMetricsMiddleware, app, type="http", path="/random")
    await call(RunnerTrafficMetricsMiddleware, app, type="lifespan")
    assert counted == ["/one", "lifespan"]
    assert app.paths == ["/one", "/random", "lifespan"]


async def test_chosen_requests_reach_no_layer_of_bentoml(monkeypatch: pytest.MonkeyPatch) -> None:
    layers, chosen = Passed(), Passed()

    async def call_layers(middleware: Any, scope: Scope, receive: Receive, send: Send) -> None:
        await middleware.app(scope, receive, send)

    monkeypatch.setattr(RunnerTrafficMetricsMiddleware, "__call__", call_layers)
    bypass(lambda scope: scope.get("path") == "/chosen", chosen)
    for path in ("/chosen", "/other"):
        await call(RunnerTrafficMetricsMiddleware, layers, type="http", path=path)
    await call(RunnerTrafficMetricsMiddleware, layers, type="lifespan")
    assert (chosen.paths, layers.paths) == (["/chosen"], ["/other", "lifespan"])


async def test_a_request_is_passed_to_the_method_unread() -> None:
    class Input(ReadLater, bentoml.IODescriptor):  # type: ignore[misc]
        """An input that BentoML would refuse: a field is missing."""

        field: int

    request = Request({"type": "http", "method": "POST", "headers": []})
    argument: Any = await Input.from_http_request(request, object())
    assert argument.request is request


def test_a_tracer_makes_spans() -> None:
    with tracer("tests").start_as_current_span("a step") as span:
        assert span.get_span_context().is_valid
