"""Every file under deploy/: checked by its own tool, and compared with the code."""

import re
import shutil
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.fetch.addresses import is_public
from serving.settings import Settings
from tests.support.environment import ROOT

DEPLOY = ROOT / "deploy"
TOOLS = Path(sys.executable).parent  # of this virtual environment
NAME = {"app.kubernetes.io/name": "background-remover"}
MEMORY = 512  # megabytes, as in the measurements


def run(*command: str) -> str:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """The resources that `kubectl apply -k` would send, by kind."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    return {
        resource["kind"]: resource
        for resource in yaml.safe_load_all(run("kubectl", "kustomize", "deploy/kubernetes"))
    }


@pytest.fixture(scope="module")
def pod(resources: dict[str, Any]) -> Any:
    """The Deployment's pod template."""
    return resources["Deployment"]["spec"]["template"]


def test_kubernetes_accepts_every_resource(resources: dict[str, Any]) -> None:
    folder = DEPLOY / "kubernetes"
    listed = yaml_of(folder / "kustomization.yaml")["resources"]
    assert {path.name for path in folder.glob("*.yaml")} == {"kustomization.yaml", *listed}
    manifest = yaml.safe_dump_all(resources.values())
    command = [str(TOOLS / "kubernetes-validate"), "--strict", "-"]
    result = subprocess.run(command, input=manifest, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (result.stdout + result.stderr).count("passed") == len(resources) == 5


def yaml_of(path: Any) -> Any:
    return yaml.safe_load(path.read_text())


def test_every_selector_has_the_labels_of_the_pods(resources: dict[str, Any], pod: Any) -> None:
    assert NAME.items() <= pod["metadata"]["labels"].items()
    assert resources["Service"]["spec"]["selector"] == NAME
    assert resources["Deployment"]["spec"]["selector"]["matchLabels"] == NAME
    assert resources["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == NAME
    assert resources["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == NAME
    assert (
        resources["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        == resources["Deployment"]["metadata"]["name"]
    )


def test_a_pod_is_confined_like_the_container_of_make_image_test(pod: Any) -> None:
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["resources"]["limits"]["memory"] == f"{MEMORY}Mi"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["spec"]["securityContext"]["runAsUser"] == 1034
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]


def test_a_pod_has_time_to_finish_its_requests(pod: Any) -> None:
    (container,) = pod["spec"]["containers"]
    settings = settings_of({variable["name"]: variable["value"] for variable in container["env"]})
    waiting = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["spec"]["terminationGracePeriodSeconds"] > waiting + settings.drain
    assert settings.drain >= settings.deadline  # no admitted request is cut short
    ready = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe")}
    assert (ready, container["livenessProbe"]["httpGet"]["path"]) == ({"/readyz"}, "/livez")


def settings_of(variables: dict[str, Any]) -> Settings:
    """Return the settings of an environment. An unknown name is refused."""
    return Settings.model_validate(
        {name.removeprefix("BGR_").lower(): value for name, value in variables.items()}
    )


def test_the_network_policy_allows_the_addresses_that_the_guard_allows(
    resources: dict[str, Any],
) -> None:
    names, sources = resources["NetworkPolicy"]["spec"]["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert {port["port"] for port in sources["ports"]} == {80, 443}
    allowed = {
        ip_network(block["ipBlock"]["cidr"]): [*map(ip_network, block["ipBlock"]["except"])]
        for block in sources["to"]
    }
    assert set(allowed) == {ip_network("0.0.0.0/0"), ip_network("2000::/3")}
    excepted = [network for networks in allowed.values() for network in networks]
    assert len(excepted) > 20
    for network in excepted:
        assert not is_public(network[0])
        assert not is_public(network[-1])
        for beside in (int(network[0]) - 1, int(network[-1]) + 1):
            address = type(network[0])(min(max(beside, 0), 2**network.max_prefixlen - 1))
            is_allowed = any(
                address in wide and not any(address in narrow for narrow in allowed[wide])
                for wide in allowed
            )
            assert is_public(address) == is_allowed, address


def test_compose_accepts_its_file() -> None:
    run(
        str(TOOLS / "check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        "deploy/compose.yaml",
    )
    services = yaml_of(DEPLOY / "compose.yaml")["services"]
    service = services["background-remover"]
    assert service["mem_limit"] == service["memswap_limit"] == f"{MEMORY}m"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    variables = service["environment"]
    assert variables.pop("BGR_URL_KEYS") == "${BGR_URL_KEYS:-}"
    settings = settings_of(variables)
    assert int(service["stop_grace_period"].removesuffix("s")) > settings.drain >= settings.deadline
    for other in services.values():
        for volume in other.get("volumes", []):
            name = volume.partition(":")[0]
            assert name == "links" or (DEPLOY / name).exists(), volume


def test_prometheus_and_grafana_find_their_files_and_each_other(promtool: str) -> None:
    run(promtool, "check", "config", "deploy/prometheus/prometheus.yaml")
    jobs = [
        job["job_name"]
        for job in yaml_of(DEPLOY / "prometheus" / "prometheus.yaml")["scrape_configs"]
    ]
    assert jobs == ["background-remover"]  # the job of the dashboard and the alerts
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml_of(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    services = yaml_of(DEPLOY / "compose.yaml")["services"]
    assert source["url"].removeprefix("http://").partition(":")[0] in services
    (provider,) = yaml_of(provisioning / "dashboards" / "dashboards.yaml")["providers"]
    assert any(provider["options"]["path"] in volume for volume in services["grafana"]["volumes"])


def test_the_blueprint_for_render_has_documented_fields_only() -> None:
    """The fields are those of Render's Blueprint reference for a web service from an image."""
    (service,) = yaml_of(DEPLOY / "render.yaml")["services"]
    documented = {
        "type",
        "name",
        "runtime",
        "image",
        "plan",
        "region",
        "healthCheckPath",
        "maxShutdownDelaySeconds",
        "envVars",
    }
    assert service.keys() <= documented
    assert (service["type"], service["runtime"], service["plan"]) == (
        "web",
        "image",
        "starter",
    )  # starter is the 512 MB plan
    assert service["image"].keys() == {"url"}
    given = {
        variable["key"]: str(variable["value"])
        for variable in service["envVars"]
        if "value" in variable
    }
    asked = {variable["key"] for variable in service["envVars"] if variable.get("sync") is False}
    settings = settings_of({**given, **dict.fromkeys(asked, "")})
    assert 300 >= service["maxShutdownDelaySeconds"] > settings.drain >= settings.deadline
    assert service["healthCheckPath"] == "/readyz"


def test_nginx_accepts_as_many_bytes_and_waits_as_long_as_the_service() -> None:
    config = (DEPLOY / "nginx.conf").read_text()
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", config)
    assert int(megabytes) * 2**20 > Settings().max_source_bytes + 64 * 1024
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", config)
    assert int(seconds) > Settings().deadline


def test_github_accepts_the_workflow() -> None:
    run(
        str(TOOLS / "check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
        ".github/workflows/ci.yml",
    )
    (job,) = yaml_of(ROOT / ".github" / "workflows" / "ci.yml")["jobs"].values()
    assert [step["run"].rpartition(" ")[2] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
