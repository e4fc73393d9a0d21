"""The RayJob of `batch`: its pods by Kubernetes' schema, the rest by KubeRay's reference."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from batch.arguments import parse
from batch.cluster import _ACTOR_BYTES, _STORE_BYTES
from batch.processes import WORKER_BYTES
from tests.support.environment import ROOT
from tests.unit.test_deploy import DEPLOY, TOOLS

JOB = yaml.safe_load((DEPLOY / "ray" / "job.yaml").read_text())
CLUSTER = JOB["spec"]["rayClusterSpec"]
(WORKERS,) = CLUSTER["workerGroupSpecs"]
HEAD = CLUSTER["headGroupSpec"]


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with no other properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


TEXT, COUNT, POD = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "object"}
PARAMETERS = {"type": "object", "additionalProperties": TEXT}

# The fields that are used of RayJobSpec, RayClusterSpec, HeadGroupSpec and WorkerGroupSpec
# (docs.ray.io, KubeRay CRD API reference, 1.6). No package of a registry has the CRD itself.
RAY_JOB = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=closed(["name"], name=TEXT),
    spec=closed(
        ["entrypoint", "rayClusterSpec"],
        entrypoint=TEXT,
        backoffLimit=COUNT,
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        rayClusterSpec=closed(
            ["headGroupSpec"],
            rayVersion=TEXT,
            authOptions=closed([], mode={"enum": ["disabled", "token"]}),
            headGroupSpec=closed(
                ["rayStartParams", "template"], rayStartParams=PARAMETERS, template=POD
            ),
            workerGroupSpecs={
                "type": "array",
                "items": closed(
                    ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
                    groupName=TEXT,
                    replicas=COUNT,
                    minReplicas=COUNT,
                    maxReplicas=COUNT,
                    rayStartParams=PARAMETERS,
                    template=POD,
                ),
            },
        ),
    ),
)


def test_kuberay_knows_every_field() -> None:
    jsonschema.validate(JOB, RAY_JOB)


def test_kubernetes_accepts_the_pods(tmp_path: Path) -> None:
    file = tmp_path / "pods.yaml"
    pods = [
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": pod}
        for name, pod in (("head", HEAD["template"]), ("workers", WORKERS["template"]))
    ]
    file.write_text(yaml.safe_dump_all(pods))
    command = [str(TOOLS / "kubernetes-validate"), "--strict", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (result.stdout + result.stderr).count("passed") == 2


def test_the_workers_have_room_for_what_the_command_starts() -> None:
    command, *arguments = shlex.split(JOB["spec"]["entrypoint"])
    parsed = parse(arguments)
    assert (command, parsed.engine, parsed.address) == ("batch", "ray", "auto")
    (container,) = WORKERS["template"]["spec"]["containers"]
    processors = int(container["resources"]["limits"]["cpu"])
    assert parsed.workers == WORKERS["replicas"] * processors
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
    # Ray itself takes about 0.6 GB.
    assert processors * (WORKER_BYTES + _ACTOR_BYTES) + _STORE_BYTES + 600_000_000 < memory


def test_every_pod_mounts_what_the_command_names_and_ray_is_the_locked_one() -> None:
    parsed = parse(shlex.split(JOB["spec"]["entrypoint"])[1:])
    for group in (HEAD, WORKERS):
        (container,) = group["template"]["spec"]["containers"]
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {*parsed.sources, parsed.target} <= mounted
        assert group["rayStartParams"]["object-store-memory"] == str(_STORE_BYTES)
    lock = (ROOT / "requirements" / "ray.txt").read_text()
    assert re.findall(r"^ray==(\S+)", lock, re.MULTILINE) == [CLUSTER["rayVersion"]]
    assert CLUSTER["authOptions"] == {"mode": "token"}
    assert HEAD["rayStartParams"]["num-cpus"] == "0"
