"""The alerts of deploy/prometheus, by Prometheus' own checker."""

import re
import subprocess

from tests.support.environment import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"


def test_every_alert_fires_when_it_should(promtool: str) -> None:
    for command in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        result = subprocess.run(
            [promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
    alerts = set(re.findall(r"alert: (\w+)", (PROMETHEUS / "alerts.yaml").read_text()))
    assert alerts == set(
        re.findall(r"- alertname: (\w+)", (PROMETHEUS / "alerts.test.yaml").read_text())
    )
