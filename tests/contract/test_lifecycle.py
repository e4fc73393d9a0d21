"""Start, stop and failure of real processes."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import Unfinished
from tests.support.concurrency import active_request
from tests.support.environment import ROOT, Record
from tests.support.serving import (
    Server,
    assert_error,
    command,
    environment,
    free_port,
    launch,
    running,
    serve,
    wait_until_ready,
)
from tests.support.source import Source
from tests.support.waiting import wait_until


def output_of_failed_start(**settings: str) -> str:
    """Start a service that must exit with 1; return its output."""
    result = subprocess.run(
        command(".", free_port()),
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    return result.stdout + result.stderr


def test_a_wrong_setting_stops_the_start_with_one_sentence() -> None:
    assert "BGR_MAX_PIXELS is wrong" in output_of_failed_start(BGR_MAX_PIXELS="many")


def test_a_missing_or_damaged_model_stops_the_start_with_one_sentence(
    tmp_path: Path, model_file: Path
) -> None:
    assert "make setup" in output_of_failed_start(BENTOML_HOME=str(tmp_path / "empty"))
    home, damaged = model_file.parents[3], tmp_path / "home"
    shutil.copytree(home / "models", damaged / "models")
    (damaged / model_file.relative_to(home)).write_bytes(b"damaged")
    assert "damaged" in output_of_failed_start(BENTOML_HOME=str(damaged))


@pytest.mark.slow
def test_an_unknown_model_of_rembg_stops_the_start_with_one_sentence() -> None:
    assert "choose one of " in output_of_failed_start(BGR_MODEL="rembg:nothing")


def milliseconds_until_not_ready(server: Server) -> float:
    """Return the time until /readyz answers 503."""
    started = time.monotonic()
    assert wait_until(lambda: server.get("/readyz").status_code == 503, seconds=15, pause=0)
    return (time.monotonic() - started) * 1000


# The supervisor gets the signal from a container engine, the worker from an operator.
@pytest.mark.parametrize(
    ("receiver", "milliseconds"),
    [
        ("supervisor", 1_000),
        pytest.param("supervisor", 100, marks=pytest.mark.slow),
        pytest.param("worker", 100, marks=pytest.mark.slow),
    ],
)
def test_sigterm_finishes_active_requests_and_refuses_others(
    receiver: str, milliseconds: float, photo: bytes, source: Source, record_property: Record
) -> None:
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}") as server:
        with active_request(server, source.url("/slow")) as response:
            process = server.process.pid if receiver == "supervisor" else server.worker()
            os.kill(process, signal.SIGTERM)
            took = milliseconds_until_not_ready(server)
            record_property("SIGTERM: milliseconds until /readyz answers 503", took)
            assert took < milliseconds
            assert_error(server.get("/readyz"), 503, "shutting_down")
            assert_error(server.upload(photo), 503, "shutting_down")
            assert server.get("/livez").status_code == 200
            assert response.result().status_code == 200
        if receiver == "supervisor":
            assert server.process.wait(15) == 0


def test_requests_not_finished_in_time_are_told(unfinished: Unfinished) -> None:
    assert_error(unfinished.response, 503, "shutting_down")
    assert unfinished.exit_status == 0


@pytest.fixture(scope="module")
def servers_with_killed_workers() -> Iterator[tuple[Server, Server, int]]:
    """Kill the workers of two servers, the second as in a container.

    Yield the servers and the first one's killed worker. BentoML looks after its worker every 5 s,
    so that both take their time at once.
    """
    port = free_port()
    containerized = environment(BENTOML_CONTAINERIZED="true")
    with (
        launch() as server,
        running(command(".", port), port, containerized) as in_container,
    ):
        for one in (server, in_container):
            wait_until_ready(one)
        killed = server.worker()
        for one in (server, in_container):
            os.kill(one.worker(), signal.SIGKILL)
        server.started = in_container.started = time.perf_counter()
        yield server, in_container, killed


@pytest.mark.slow
def test_a_killed_worker_in_a_container_ends_the_process(
    servers_with_killed_workers: tuple[Server, Server, int], record_property: Record
) -> None:
    """The orchestrator sees it, and starts another container."""
    _, server, _ = servers_with_killed_workers
    assert server.process.wait(12) == 1
    record_property(
        "killed worker in a container: seconds until the process ends with 1",
        time.perf_counter() - server.started,
    )


@pytest.mark.slow
def test_a_killed_worker_is_respawned(
    servers_with_killed_workers: tuple[Server, Server, int], photo: bytes, record_property: Record
) -> None:
    server, _, killed = servers_with_killed_workers
    wait_until_ready(server, seconds=30)
    took = time.perf_counter() - server.started
    record_property("killed worker: seconds until another is ready", took)
    assert server.worker() != killed
    assert server.upload(photo).status_code == 200
