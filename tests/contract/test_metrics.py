"""/metrics, and whether a real Prometheus finds there what the dashboard and the alerts query."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.responses import STATUSES
from tests.support.environment import ROOT, needed
from tests.support.serving import UPLOAD_STEPS, Server, free_port, running, wait_until_ready
from tests.support.waiting import wait_until

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
PREFIX = "background_remover_"


@pytest.fixture(scope="module")
def watched(default_service: Server, photo: bytes) -> Server:
    """Return a service that has sent a cutout and errors."""
    assert default_service.upload(photo).status_code == 200
    assert default_service.post(image_url="http://10.0.0.1/").json()["code"] == "url_not_allowed"
    assert default_service.get("/nothing/at/all").status_code == 404
    return default_service


def scrape(server: Server) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the service's own samples by name, then by label values in the order of the labels."""
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            if sample.name.startswith(PREFIX):
                values = tuple(value for _, value in sorted(sample.labels.items()))
                samples.setdefault(sample.name.removeprefix(PREFIX), {})[values] = sample.value
    return samples


def test_requests_are_counted_by_code_and_path(watched: Server) -> None:
    requests = scrape(watched)["requests_total"]
    assert requests["ok", "/remove-background/upload"] >= 1
    assert requests["url_not_allowed", "/remove-background"] >= 1
    codes = {"ok", "client_left", "client_too_slow", *(error.code for error in STATUSES)}
    # Every series exists from the start: an alert on a first event needs the 0 before it.
    assert requests.keys() == {
        (code, path)
        for code in codes
        for path in ("/remove-background", "/remove-background/upload", "/v1.0/removebg")
    }
    assert scrape(watched)["refused_addresses_total"][()] >= 1


def test_steps_and_images_are_measured(watched: Server, photo: bytes) -> None:
    before = scrape(watched)
    assert watched.upload(photo).status_code == 200
    after = scrape(watched)
    assert {labels[-1] for labels in after["step_duration_seconds_count"]} == {
        "download",
        *UPLOAD_STEPS,
    }
    for name, labels in (
        ("step_duration_seconds_count", ("segment",)),
        ("image_megapixels_count", ()),
        ("model_runs_total", ()),
    ):
        assert after[name][labels] - before[name][labels] == 1
    assert after["image_megapixels_sum"][()] - before["image_megapixels_sum"][()] == pytest.approx(
        0.512 * 0.512
    )
    assert (
        0.01
        < after["step_duration_seconds_sum"]["segment",]
        - before["step_duration_seconds_sum"]["segment",]
        < 10
    )


def test_gauges_show_the_current_state(watched: Server) -> None:
    now = scrape(watched)
    assert (now["requests_active"][()], now["requests_active_max"][()], now["held_bytes"][()]) == (
        0,
        16,
        0,
    )
    assert 20e6 < now["memory_bytes"]["supervisor",] < now["memory_bytes"]["worker",] < 512e6


def test_every_metric_is_documented(watched: Server) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    rows = re.findall(r"^\| (`[^|]+) \| (?:counter|gauge|histogram) \|", page, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == {re.sub("_(bucket|count|sum)$", "", name) for name in scrape(watched)}


def test_promtool_finds_no_fault_in_the_names(watched: Server, promtool: str) -> None:
    """promtool's linter finds faults in BentoML's metrics, which are not ours to change."""
    metrics = watched.get("/metrics").text
    assert not [line for line in metrics.splitlines() if "/nothing" in line]
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics, capture_output=True, text=True, check=False
    )
    assert [line for line in (checked.stdout + checked.stderr).splitlines() if PREFIX in line] == []


@pytest.fixture(scope="module")
def prometheus(watched: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run Prometheus, with the alerts, until it has some samples of the service."""
    program = needed("prometheus", "prometheus")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    config = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(PROMETHEUS / "alerts.yaml")],
        "scrape_configs": [
            {
                "job_name": "background-remover",
                "static_configs": [{"targets": [f"127.0.0.1:{watched.port}"]}],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config))  # JSON is YAML
    command = [
        program,
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, port, os.environ) as server:
        wait_until_ready(server, path="/-/ready")
        with httpx.Client(base_url=f"{server.url}/api/v1", trust_env=False) as client:
            assert wait_until(lambda: number_of_scrapes(client) >= 4, seconds=30)
            yield client


def number_of_scrapes(client: httpx.Client) -> float:
    """Return how often Prometheus has scraped the service in the last minute."""
    query = 'count_over_time(up{job="background-remover"}[1m])'
    found = client.get("/query", params={"query": query}).json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0


def expressions() -> dict[str, str]:
    """Return the dashboard's queries as Grafana would send them, by panel and letter."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$instance", ".*")
        for panel in panels
        for target in panel["targets"]
    }


@pytest.mark.slow
def test_every_query_of_the_dashboard_has_a_result(
    watched: Server, prometheus: httpx.Client, photo: bytes
) -> None:
    for _ in range(3):  # across at least two scrapes: a rate needs a counter that rises
        assert watched.upload(photo).status_code == 200
        watched.post(image_url="http://10.0.0.1/")
        time.sleep(0.6)
    time.sleep(1)
    assert len(expressions()) >= 15
    for name, expression in expressions().items():
        response: Any = prometheus.get("/query", params={"query": expression}).json()
        assert response["status"] == "success", (name, response)
        values = [float(one["value"][1]) for one in response["data"]["result"]]
        assert values, name
        assert all(value >= 0 for value in values), (name, values)  # false for NaN


@pytest.mark.slow
def test_prometheus_evaluates_the_alerts_and_none_fires(
    prometheus: httpx.Client,
) -> None:
    def rules() -> list[Any]:
        (group,) = prometheus.get("/rules").json()["data"]["groups"]
        found: list[Any] = group["rules"]
        return found

    assert wait_until(lambda: {rule["health"] for rule in rules()} == {"ok"}, seconds=15)
    assert not [rule["name"] for rule in rules() if rule["state"] == "firing"]
