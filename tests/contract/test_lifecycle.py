"""Start, stop and failure, of real processes."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.environment import Record
from tests.support.serving import (
    Server,
    assert_error,
    command,
    environment,
    free_port,
    serve,
    wait_until_ready,
)
from tests.support.source import Source


def start_and_fail(**settings: str) -> tuple[int, str]:
    """Start what must not start: its exit code and all that it said."""
    result = subprocess.run(
        command(".", free_port()),
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


def test_a_wrong_setting_stops_the_start_with_one_sentence() -> None:
    status, output = start_and_fail(BGR_MAX_PIXELS="many")
    assert status == 1
    assert "BGR_MAX_PIXELS is wrong" in output
    assert "Traceback" not in output


def test_a_missing_or_damaged_model_stops_the_start_with_one_sentence(
    tmp_path: Path, model_file: Path
) -> None:
    status, output = start_and_fail(BENTOML_HOME=str(tmp_path))
    assert status == 1
    assert "make setup" in output
    assert "Traceback" not in output
    shutil.copytree(
        model_file.parents[3], tmp_path / "home", ignore=shutil.ignore_patterns("bentos", "tmp")
    )
    (tmp_path / "home" / model_file.relative_to(model_file.parents[3])).write_bytes(b"damaged")
    status, output = start_and_fail(BENTOML_HOME=str(tmp_path / "home"))
    assert status == 1
    assert "damaged" in output
    assert "Traceback" not in output


def test_an_unknown_model_of_rembgs_stops_the_start_with_one_sentence() -> None:
    status, output = start_and_fail(BGR_MODEL="rembg:nothing")
    assert status == 1
    assert "there are: " in output
    assert "Traceback" not in output


def post_in_a_thread(server: Server, url: str, answers: list[httpx.Response]) -> threading.Thread:
    """Send a request that is inside once this returns, and append its answer."""
    thread = threading.Thread(target=lambda: answers.append(server.post(image_url=url)))
    thread.start()
    time.sleep(0.5)
    return thread


def milliseconds_until(happens: Callable[[], bool]) -> float:
    started = time.monotonic()
    while not happens():
        assert time.monotonic() - started < 15
    return (time.monotonic() - started) * 1000


@pytest.mark.parametrize("milliseconds", [1_000, pytest.param(100, marks=pytest.mark.slow)])
def test_sigterm_finishes_what_is_inside_and_refuses_the_rest(
    milliseconds: float, photo: bytes, source: Source, record_property: Record
) -> None:
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}") as server:
        answers: list[httpx.Response] = []
        inside = post_in_a_thread(server, source.url("/slow"), answers)
        os.kill(server.worker(), signal.SIGTERM)
        took = milliseconds_until(lambda: server.get("/readyz").status_code == 503)
        record_property("SIGTERM: milliseconds until /readyz answers 503", took)
        assert took < milliseconds
        assert_error(server.get("/readyz"), 503, "shutting_down")
        assert_error(server.upload(photo), 503, "shutting_down")
        assert server.get("/livez").status_code == 200
        inside.join()
        assert answers[0].status_code == 200


@pytest.mark.parametrize("milliseconds", [1_000, pytest.param(100, marks=pytest.mark.slow)])
def test_sigterm_to_the_supervisor_reaches_the_worker_at_once(
    milliseconds: float, photo: bytes, source: Source, record_property: Record
) -> None:
    """What a container's engine does: its signal goes to the first process."""
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}") as server:
        answers: list[httpx.Response] = []
        inside = post_in_a_thread(server, source.url("/slow"), answers)
        server.process.send_signal(signal.SIGTERM)
        took = milliseconds_until(lambda: server.get("/readyz").status_code == 503)
        record_property("SIGTERM: milliseconds until /readyz answers 503", took)
        assert took < milliseconds
        assert_error(server.upload(photo), 503, "shutting_down")
        inside.join()
        assert answers[0].status_code == 200
        assert server.process.wait(15) == 0


def test_what_cannot_be_finished_in_time_is_told(source: Source) -> None:
    with serve(BGR_ALLOWED_PRIVATE_HOSTS=f"127.0.0.1:{source.port}", BGR_DRAIN="0.5") as server:
        answers: list[httpx.Response] = []
        inside = post_in_a_thread(server, source.url("/slow"), answers)
        server.process.send_signal(signal.SIGTERM)
        inside.join()
        assert_error(answers[0], 503, "shutting_down")
        assert server.process.wait(20) == 0


def test_a_worker_that_dies_is_respawned(photo: bytes, record_property: Record) -> None:
    with serve() as server:
        first = server.worker()
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        time.sleep(0.5)
        wait_until_ready(server, seconds=30)
        record_property("killed worker: seconds until another is ready", time.monotonic() - killed)
        assert server.worker() != first
        assert server.upload(photo).status_code == 200


def test_in_a_container_a_worker_that_dies_ends_the_process(record_property: Record) -> None:
    """So that what runs the container sees it, and starts another."""
    port = free_port()
    settings = environment(BENTOML_CONTAINERIZED="true")
    process = subprocess.Popen(
        command(".", port), env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = Server(f"http://127.0.0.1:{port}", process, Path(os.devnull))
    wait_until_ready(server)
    os.kill(server.worker(), signal.SIGKILL)
    killed = time.monotonic()
    assert process.wait(12) == 1
    record_property(
        "killed worker in a container: seconds until the process ends with 1",
        time.monotonic() - killed,
    )
