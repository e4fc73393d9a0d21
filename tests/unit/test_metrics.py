"""The service's own metrics, as Prometheus reads them."""

import asyncio
import os
from typing import Any

import prometheus_client
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.admission import AdmissionQueue
from serving.memory_budget import MemoryBudget
from serving.metrics import Metrics
from serving.responses import STATUSES

ENDPOINTS = ("/one", "/two")
PREFIX = "background_remover_"

Samples = dict[str, float]


class Request:
    """An active request."""

    holds_place = True

    def shut_down(self) -> None:
        raise AssertionError


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> list[prometheus_client.CollectorRegistry]:
    """The registries that the metrics create."""
    made: list[prometheus_client.CollectorRegistry] = []
    create = prometheus_client.CollectorRegistry

    def record(*arguments: Any, **options: Any) -> prometheus_client.CollectorRegistry:
        made.append(create(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(prometheus_client, "CollectorRegistry", record)
    return made


def samples(text: str) -> Samples:
    """Return the value of each series, its labels sorted by name, without the prefix."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels[name] for name in sorted(sample.labels))
            name = sample.name.removeprefix(PREFIX)
            found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found


class Counted:
    """The metrics of a worker, and what they have counted."""

    def __init__(self, registries: list[prometheus_client.CollectorRegistry]) -> None:
        self.budget = MemoryBudget()
        self.queue = AdmissionQueue(3, self.budget)
        self.metrics = Metrics(ENDPOINTS, self.queue, self.budget)
        (self._registry,) = registries

    def now(self) -> Samples:
        return samples(prometheus_client.generate_latest(self._registry).decode())


@pytest.fixture
def counted(registries: list[prometheus_client.CollectorRegistry]) -> Counted:
    """The metrics of a worker that has just started."""
    return Counted(registries)


def test_every_result_of_every_endpoint_begins_at_0(counted: Counted) -> None:
    codes = {"ok", "client_left", "client_too_slow", *(error.code for error in STATUSES)}
    expected = {f"requests_total{{{code},{path}}}" for code in codes for path in ENDPOINTS}
    now = counted.now()
    assert {name for name in now if name.startswith("requests_total")} == expected
    assert {now[name] for name in expected} == {0}


def test_a_request_is_counted_by_endpoint_and_code(counted: Counted) -> None:
    counted.metrics.count_request("/one", "ok")
    counted.metrics.count_request("/one", "url_not_allowed")
    now = counted.now()
    assert now["requests_total{ok,/one}"] == now["requests_total{url_not_allowed,/one}"] == 1
    assert now["requests_total{ok,/two}"] == 0
    assert now["refused_addresses_total"] == 1


def test_a_step_is_counted_by_its_duration(counted: Counted) -> None:
    for name, seconds in (("decode", 0.03), ("segment", 0.12), ("segment", 7)):
        counted.metrics.count_step(name, seconds)
    now = counted.now()
    assert now["step_duration_seconds_count{decode}"] == 1
    assert now["step_duration_seconds_sum{segment}"] == pytest.approx(7.12)
    assert now["step_duration_seconds_bucket{0.25,segment}"] == 1
    assert now["model_runs_total"] == 2


def test_an_image_is_counted_in_megapixels(counted: Counted) -> None:
    counted.metrics.count_image(12_000_000)
    now = counted.now()
    assert (now["image_megapixels_count"], now["image_megapixels_sum"]) == (1, 12)
    assert (now["image_megapixels_bucket{8.0}"], now["image_megapixels_bucket{12.0}"]) == (0, 1)


def test_the_gauges_are_those_of_the_moment(counted: Counted) -> None:
    counted.queue.admit(Request())
    counted.budget.open(lambda: None).begin_sending(5_000)
    now = samples(asyncio.run(counted.metrics.gauges()))
    assert (now["requests_active"], now["requests_active_max"], now["held_bytes"]) == (1, 3, 5_000)
    measured = psutil.Process(os.getpid()).memory_full_info().pss
    assert now["memory_bytes{worker}"] == pytest.approx(measured, rel=0.2)
    assert now["memory_bytes{supervisor}"] > 100_000
