"""What BentoML lacks a setting for."""

import asyncio
from types import SimpleNamespace
from typing import Any

import bentoml
import pytest
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from compat import MovedError
from compat import bentoml as compat_bentoml
from compat.bentoml import ReadLater, check, count_only, disable_timeouts, tracer


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


async def nothing(*_: Any) -> None:
    """Receive or send nothing."""


async def test_a_disabled_timeout_starts_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutMiddleware, "__call__", None)
    disable_timeouts()
    app, timers = Passed(), []
    monkeypatch.setattr(
        asyncio.get_running_loop(), "call_at", lambda *timer, **_: timers.append(timer)
    )
    middleware: Any = SimpleNamespace(app=app)
    await TimeoutMiddleware.__call__(middleware, {"type": "http", "path": "/"}, nothing, nothing)  # type: ignore[arg-type]
    assert (app.paths, timers) == (["/"], [])


async def test_only_the_given_paths_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []

    async def count(middleware: Any, scope: Scope, receive: Receive, send: Send) -> None:
        counted.append(scope.get("path", scope["type"]))
        await middleware.app(scope, receive, send)

    monkeypatch.setattr(RunnerTrafficMetricsMiddleware, "__call__", count)
    count_only({"/one"})
    middleware: Any = SimpleNamespace(app=Passed())
    for scope in ({"type": "http", "path": "/one"}, {"type": "http", "path": "/random"}):
        await RunnerTrafficMetricsMiddleware.__call__(middleware, scope, nothing, nothing)  # type: ignore[arg-type]
    await RunnerTrafficMetricsMiddleware.__call__(
        middleware, {"type": "lifespan"}, nothing, nothing
    )  # type: ignore[arg-type]
    assert counted == ["/one", "lifespan"]
    assert middleware.app.paths == ["/one", "/random", "lifespan"]


async def test_a_request_is_passed_to_the_method_unread() -> None:
    class Input(ReadLater, bentoml.IODescriptor):
        """An input that BentoML would refuse: a field is missing."""

        field: int

    request = Request({"type": "http", "method": "POST", "headers": []})
    argument: Any = await Input.from_http_request(request, object())
    assert argument.request is request


def test_a_tracer_makes_spans() -> None:
    with tracer("tests").start_as_current_span("a step") as span:
        assert span.get_span_context().is_valid
