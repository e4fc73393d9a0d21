"""The Kubernetes Job of `batch`: checked by its schema, and compared with the command."""

import shlex
import subprocess

import yaml

from batch.arguments import parse
from batch.command import SOME_FAILED, WRONG_USE
from batch.processes import PARENT_BYTES, WORKER_BYTES
from batch.sources import Shard
from tests.unit.test_deploy import DEPLOY, TOOLS

FILE = DEPLOY / "batch" / "job.yaml"


def test_kubernetes_accepts_the_job() -> None:
    command = [str(TOOLS / "kubernetes-validate"), "--strict", str(FILE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout + result.stderr


def test_each_pod_processes_its_share_within_its_memory() -> None:
    job = yaml.safe_load(FILE.read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    (script,) = container["args"]
    for index in (0, job["completions"] - 1):
        line = script.replace("$((JOB_COMPLETION_INDEX + 1))", str(index + 1))
        command, *arguments = shlex.split(line.removeprefix("exec "))
        parsed = parse(arguments)
        assert command == "batch"
        assert parsed.shard == Shard(index + 1, job["completions"])
        assert {*parsed.sources, parsed.target} <= {
            mount["mountPath"] for mount in container["volumeMounts"]
        }
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
    assert parsed.workers * WORKER_BYTES + PARENT_BYTES < memory


def test_only_what_another_try_can_cure_is_tried_again() -> None:
    fail, ignore = yaml.safe_load(FILE.read_text())["spec"]["podFailurePolicy"]["rules"]
    assert (fail["action"], fail["onExitCodes"]["operator"]) == ("FailIndex", "In")
    assert fail["onExitCodes"]["values"] == [SOME_FAILED, WRONG_USE]
    assert ignore["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
