"""What the requests of one worker share."""

import subprocess
import sys

import pytest
from starlette.datastructures import Headers

from pipeline.errors import StartupError
from serving.errors import Busy, Unauthorized
from serving.runtime import Runtime
from tests.support.environment import ROOT


class Request:
    """A request, as the queue sees it."""

    holds_place = True

    def shut_down(self) -> None:
        raise AssertionError


def test_each_object_is_built_once() -> None:
    runtime = Runtime({})
    for name in (
        "settings",
        "api_keys",
        "url_keys",
        "budget",
        "queue",
        "connections",
        "metrics",
        "tracer",
    ):
        assert getattr(runtime, name) is getattr(runtime, name)


def test_two_runtimes_share_nothing() -> None:
    one, other = Runtime({}), Runtime({})
    for name in ("budget", "queue", "connections", "metrics"):
        assert getattr(one, name) is not getattr(other, name)


def test_the_settings_come_from_the_environment_at_their_first_use() -> None:
    environment = {"BGR_MAX_WAITING": "1"}
    runtime = Runtime(environment)
    environment["BGR_DEADLINE"] = "7"
    assert (runtime.settings.max_waiting, runtime.settings.deadline) == (1, 7)


def test_a_wrong_variable_is_reported_by_the_settings_alone() -> None:
    runtime = Runtime({"BGR_DEADLINE": "soon"})
    assert runtime.budget.held == 0
    with pytest.raises(StartupError, match="BGR_DEADLINE"):
        _ = runtime.settings


def test_the_queue_and_the_keys_obey_the_settings() -> None:
    runtime = Runtime({"BGR_MAX_WAITING": "1", "BGR_API_KEYS": "key"})
    runtime.queue.admit(Request())
    with pytest.raises(Busy):
        runtime.queue.admit(Request())
    with pytest.raises(Unauthorized):
        runtime.api_keys.check(Headers(raw=[]))
    runtime.api_keys.check(Headers(raw=[(b"x-api-key", b"key")]))


def test_the_gauges_are_those_of_the_queue_and_the_budget() -> None:
    runtime = Runtime({})
    assert vars(runtime.metrics)["_queue"] is runtime.queue
    assert vars(runtime.metrics)["_budget"] is runtime.budget


def test_the_supervisor_can_read_the_settings_without_loading_a_model() -> None:
    script = (
        "import sys; from serving.runtime import Runtime; Runtime({}).settings;"
        "sys.exit(bool({'numpy', 'onnxruntime', 'PIL'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert result.returncode == 0
