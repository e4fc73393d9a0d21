"""What is told of the service: /metrics, and that a real Prometheus finds in it all that the dashboard and the alerts ask for."""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.responses import STATUSES
from tests.support.environment import ROOT, needed
from tests.support.serving import Server, free_port, serve

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
PREFIX = "background_remover_"


@pytest.fixture(scope="module")
def watched(photo: bytes) -> Iterator[Server]:
    """A service that has answered a picture, refused an address, and been asked for what is not there."""
    with serve() as server:
        assert server.upload(photo).status_code == 200
        assert server.post(image_url="http://10.0.0.1/").json()["code"] == "url_not_allowed"
        assert server.get("/nothing/at/all").status_code == 404
        yield server


def scrape(server: Server) -> dict[str, dict[tuple[str, ...], float]]:
    """Our samples: the values of each by its labels' values, in the order of the labels' names."""
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            if sample.name.startswith(PREFIX):
                values = tuple(value for _, value in sorted(sample.labels.items()))
                samples.setdefault(sample.name.removeprefix(PREFIX), {})[values] = sample.value
    return samples


def test_what_requests_come_to_is_counted(watched: Server) -> None:
    requests = scrape(watched)["requests_total"]
    assert requests["ok", "/remove-background/upload"] >= 1
    assert requests["url_not_allowed", "/remove-background"] >= 1
    codes = {"ok", "client_left", "client_too_slow", *(error.code for error in STATUSES)}
    # Every series is there from the start: an alert on the first event of a kind needs the 0 before it.
    assert requests.keys() == {
        (code, path)
        for code in codes
        for path in ("/remove-background", "/remove-background/upload")
    }
    assert scrape(watched)["refused_addresses_total"][()] >= 1


def test_steps_and_pictures_are_counted(watched: Server, photo: bytes) -> None:
    before = scrape(watched)
    assert watched.upload(photo).status_code == 200
    after = scrape(watched)
    assert {labels[-1] for labels in after["step_duration_seconds_count"]} == {
        "download",
        "receive",
        "wait",
        "decode",
        "segment",
        "select",
        "encode",
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


def test_the_gauges_are_of_now(watched: Server) -> None:
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


def test_the_names_keep_to_the_conventions(watched: Server, promtool: str) -> None:
    """promtool's linter, which asks the same of BentoML's part and finds faults there."""
    metrics = watched.get("/metrics").text
    assert not [line for line in metrics.splitlines() if "/nothing" in line]
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics, capture_output=True, text=True, check=False
    )
    assert [line for line in (checked.stdout + checked.stderr).splitlines() if PREFIX in line] == []


def test_the_alerts_warn_of_what_they_say(promtool: str) -> None:
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        result = subprocess.run(
            [promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
    alerts = set(re.findall(r"alert: (\w+)", (PROMETHEUS / "alerts.yaml").read_text()))
    assert alerts == set(
        re.findall(r"- alertname: (\w+)", (PROMETHEUS / "alerts.test.yaml").read_text())
    )


@pytest.fixture(scope="module")
def prometheus(watched: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real Prometheus, with our alerts, that has seen the service at work for some seconds."""
    program, folder, port = (
        needed("prometheus", "prometheus"),
        tmp_path_factory.mktemp("prometheus"),
        free_port(),
    )
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
    (folder / "prometheus.yaml").write_text(json.dumps(config))  # YAML holds JSON
    listening = f"--web.listen-address=127.0.0.1:{port}"
    command = [
        program,
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        listening,
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False
            ) as client:
                wait_for_samples(client, folder / "log")
                yield client
        finally:
            process.terminate()


def wait_for_samples(client: httpx.Client, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            response = client.get(
                "/query", params={"query": 'count_over_time(up{job="background-remover"}[1m])'}
            )
            if response.status_code == 200 and any(
                float(one["value"][1]) >= 4 for one in response.json()["data"]["result"]
            ):
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


def expressions() -> dict[str, str]:
    """The dashboard's: each by its panel's title and letter, as Grafana would send it."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", "1m")
        .replace("$instance", ".*")
        for panel in panels
        for target in panel["targets"]
    }


def test_the_dashboard_finds_what_it_shows(
    watched: Server, prometheus: httpx.Client, photo: bytes
) -> None:
    for _ in range(3):  # between two scrapes at least: a rate needs something to have risen
        assert watched.upload(photo).status_code == 200
        watched.post(image_url="http://10.0.0.1/")
        time.sleep(0.6)
    time.sleep(1)
    assert len(expressions()) >= 15
    for name, expression in expressions().items():
        answer: Any = prometheus.get("/query", params={"query": expression}).json()
        assert answer["status"] == "success", (name, answer)
        values = [float(one["value"][1]) for one in answer["data"]["result"]]
        assert values, name
        assert all(value >= 0 for value in values), (name, values)  # NaN is not


def test_prometheus_evaluates_the_alerts_and_a_service_that_is_well_raises_none(
    prometheus: httpx.Client,
) -> None:
    end = time.monotonic() + 15
    while True:
        (group,) = prometheus.get("/rules").json()["data"]["groups"]
        if all(rule["health"] == "ok" for rule in group["rules"]) or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert not [rule["name"] for rule in group["rules"] if rule["state"] == "firing"]
