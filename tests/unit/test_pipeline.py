"""What importing the package does, and does not do."""

import json
import subprocess
import sys

from tests.support.environment import ROOT

SCRIPT = """
import json, os, sys
import pipeline, pipeline.errors, pipeline.memory, pipeline.options, pipeline.request_timer
import pipeline.processors, pipeline.weights.store
print(json.dumps([os.environ.get("ORT_DISABLE_TELEMETRY"), sorted(sys.modules)]))
"""


def imported() -> tuple[str, set[str]]:
    """Return ORT_DISABLE_TELEMETRY and all modules after the imports of the supervisor."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env={}, capture_output=True, check=True
    )
    telemetry, modules = json.loads(result.stdout)
    return telemetry, set(modules)


def test_onnxruntime_is_told_to_collect_nothing() -> None:
    telemetry, modules = imported()
    assert telemetry == "1"
    assert "onnxruntime" not in modules  # it reads the variable when it is imported


def test_what_the_supervisor_imports_is_light() -> None:
    _, modules = imported()
    assert "pipeline.weights.store" in modules
    assert modules.isdisjoint({"numpy", "scipy", "PIL", "onnxruntime", "httpx", "bentoml"})
