"""X-Service-Version: in every response, whichever part of the service sends it."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.lifecycle import request_context
from serving.middleware import create_middleware
from serving.project import VERSION
from serving.responses import EXPOSED_HEADERS
from serving.runtime import Runtime

ORIGIN = "https://app.example.com"


async def respond(request: Request) -> Response:
    return Response("done")


async def exceed_deadline(request: Request) -> Response:
    request_context.get().admit("/slow", 0)
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/done", 200),
        ("GET", "/unknown", 404),
        ("POST", "/done", 405),
        ("GET", "/slow", 504),
        ("OPTIONS", "/done", 200),
    ],
    ids=["response", "unknown path", "wrong method", "deadline", "CORS preflight"],
)
async def test_every_response_has_the_version(method: str, path: str, status: int) -> None:
    app = Starlette(routes=[Route("/done", respond), Route("/slow", exceed_deadline)])
    runtime = Runtime({"BGR_CORS_ORIGINS": ORIGIN, "BGR_DEADLINE": "0.05"})
    transport = httpx.ASGITransport(create_middleware(app, runtime))
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        response = await client.request(method, path, headers=headers)
    assert response.status_code == status
    assert response.headers["X-Service-Version"] == VERSION == "0.1.0"


def test_pages_of_other_origins_may_read_the_version() -> None:
    assert "X-Service-Version" in EXPOSED_HEADERS
