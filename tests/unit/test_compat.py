"""What is private to the libraries: where it has moved, the start stops with one sentence."""

import types
import weakref
from collections.abc import Callable
from typing import Any

import bentoml
import pytest
import uvicorn
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from uvicorn.protocols.http import h11_impl

import compat.bentoml
import compat.onnxruntime
import compat.starlette
import compat.uvicorn
from compat import MovedError
from compat.uvicorn import IDLE_TIMEOUT, Connections


def test_everything_is_where_it_was() -> None:
    for library in (compat.bentoml, compat.onnxruntime, compat.starlette, compat.uvicorn):
        library.check()


class Moved:
    """What has another shape."""


@pytest.mark.parametrize(
    ("check", "owner", "name", "sentence"),
    [
        (
            compat.bentoml.check,
            bentoml.IODescriptor,
            "from_http_request",
            "BentoML .*from_http_request",
        ),
        (compat.bentoml.check, compat.bentoml, "TimeoutMiddleware", "BentoML .*TimeoutMiddleware"),
        (compat.bentoml.check, compat.bentoml, "BentoMLContainer", "BentoML .*tracer"),
        (compat.onnxruntime.check, compat.onnxruntime, "SharedArena", "onnxruntime .*arena"),
        (compat.starlette.check, MultiPartParser, "spool_max_size", "Starlette .*spool_max_size"),
        (compat.starlette.check, compat.starlette, "SpooledTemporaryFile", "Starlette .*"),
        (compat.uvicorn.check, h11_impl, "RequestResponseCycle", "uvicorn .*RequestResponseCycle"),
        (compat.uvicorn.check, h11_impl, "H11Protocol", "uvicorn .*cycle"),
        (compat.uvicorn.check, compat.uvicorn, "ServerState", "uvicorn .*server_state"),
    ],
)
def test_what_has_moved_is_told_in_one_sentence(
    check: Callable[[], None], owner: Any, name: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, Moved)
    with pytest.raises(MovedError, match=f"^{sentence}.*install the locked version\\.$"):
        check()


async def test_a_file_on_disk_is_refused() -> None:
    """It would be memory that nobody counts, where /tmp is memory: the request fails, loudly."""
    import tempfile

    with tempfile.SpooledTemporaryFile(max_size=1) as spooled:
        spooled.write(b"too much")
        with pytest.raises(MovedError, match="memory"):
            compat.starlette.content(UploadFile(spooled))  # type: ignore[arg-type]


class Transport:
    """A connection's transport, which can be dropped."""

    def __init__(self) -> None:
        self.is_dropped = False

    def get_extra_info(self, _: str) -> "Transport":
        return self

    def setsockopt(self, *_: object) -> None:
        pass

    def abort(self) -> None:
        self.is_dropped = True


class Cycle:
    """uvicorn's request and response on a connection."""

    def __init__(self, is_complete: bool = True) -> None:
        self.response_complete = is_complete


def connected(*cycles: Cycle | None) -> tuple[Connections, list[Any]]:
    """The connections of a server, one for each cycle."""
    open_ones = [types.SimpleNamespace(cycle=cycle, transport=Transport()) for cycle in cycles]
    hashable = [_Hashable(one) for one in open_ones]
    connections = Connections()
    server = uvicorn.Server(uvicorn.Config(lambda: None))
    server.server_state.connections = set(hashable)  # type: ignore[arg-type]
    connections._server = server
    return connections, hashable


class _Hashable:
    def __init__(self, fields: types.SimpleNamespace) -> None:
        self.__dict__.update(vars(fields))


def test_a_connection_in_use_is_never_dropped_though_no_sample_sees_its_requests() -> None:
    connections, (connection,) = connected(Cycle())
    for second in range(60):
        connections.drop_idle(float(second))
        connection.cycle = Cycle()  # a request has come and gone between two looks
    assert not connection.transport.is_dropped


@pytest.mark.parametrize("cycle", [None, Cycle()])
def test_a_connection_without_a_request_is_dropped_after_the_timeout(cycle: Cycle | None) -> None:
    connections, (connection,) = connected(cycle)
    for second in range(int(IDLE_TIMEOUT)):
        connections.drop_idle(float(second))
    assert not connection.transport.is_dropped
    connections.drop_idle(IDLE_TIMEOUT)
    assert connection.transport.is_dropped


def test_a_request_under_way_is_not_idle_and_begins_the_wait_anew() -> None:
    connections, (connection,) = connected(Cycle())
    connections.drop_idle(0)
    connection.cycle.response_complete = False
    connections.drop_idle(IDLE_TIMEOUT)
    connection.cycle.response_complete = True
    connections.drop_idle(IDLE_TIMEOUT + 1)
    assert not connection.transport.is_dropped


def test_the_sweep_keeps_no_request_alive() -> None:
    connections, (connection,) = connected(Cycle())
    connections.drop_idle(0)
    last = weakref.ref(connection.cycle)
    connection.cycle = Cycle()
    assert last() is None


async def test_the_sweep_survives_an_exception_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    asked = []

    def fail(now: float) -> None:
        asked.append(now)
        raise RuntimeError

    connections, _ = connected()
    monkeypatch.setattr(connections, "drop_idle", fail)
    monkeypatch.setattr(compat.uvicorn, "_SWEEP_SECONDS", 0.01)
    sweeping = asyncio.create_task(connections.sweep())
    await asyncio.sleep(0.1)
    assert len(asked) > 1
    sweeping.cancel()
