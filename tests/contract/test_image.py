"""The container image IMAGE, confined as in the smallest plan.

It has 512 MB without swap, a read-only root, no capabilities, and no network but its own. The
client runs in a second container in the network of the first, so that its memory is not charged to
the service.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from PIL import Image

from deploy.image.sbom import bill, inventory
from pipeline.weights import SAMPLE
from pipeline.weights.store import MODEL_TAG
from tests.support.bombs import huge_png
from tests.support.cgroup import cgroup_of
from tests.support.environment import DATA, ROOT, Record
from tests.support.heif_files import heic
from tests.support.image_driver import SOURCE_PORT
from tests.support.images import encoded, grainy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.image

IMAGE = os.environ.get("IMAGE", "background-remover")
PORT = 8123
UNPACKED = 650e6  # bytes
MEMORY = 512 * 1024 * 1024
CONFINED = [
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
]

# Prints the installed packages.
INSTALLED = """
from importlib.metadata import distributions
print(*(f"{one.name}=={one.version}" for one in distributions()))
"""
# Programs that serving does not need.
TOOLS = ("cc", "gcc", "make", "git", "uv", "pytest", "ruff")


@dataclass(frozen=True)
class Engine:
    """docker or podman: they share all commands and options used here."""

    name: str

    def run(self, *arguments: str, timeout: float = 300) -> str:
        """Run a command; return its standard output. Raise CalledProcessError."""
        return subprocess.run(
            [self.name, *arguments], capture_output=True, text=True, check=True, timeout=timeout
        ).stdout

    def inspect(self, thing: str) -> Any:
        """Return the description of a container or an image."""
        return json.loads(self.run("inspect", thing))[0]

    def python(self, container: str, script: str) -> str:
        """Run a script in a container; return its output."""
        return self.run("exec", container, "python", "-c", script)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Find the container engine that has the image."""
    for name in ("docker", "podman"):
        command = [name, "image", "inspect", IMAGE]
        if (
            shutil.which(name)
            and subprocess.run(command, capture_output=True, check=False).returncode == 0
        ):
            return Engine(name)
    pytest.skip(f"no docker or podman here has the image {IMAGE}: make image")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write photos and broken files into a folder; return it."""
    folder: Path = tmp_path_factory.mktemp("images")
    shutil.copyfile(SAMPLE, folder / "sample.jpg")
    (folder / "24MP.jpg").write_bytes(encoded(grainy(24), "JPEG", quality=90))
    (folder / "bomb.png").write_bytes(huge_png())
    (folder / "page.html").write_bytes(b"<html><body>not an image</body></html>")
    (folder / "truncated.jpg").write_bytes(SAMPLE.read_bytes()[:20_000])
    (folder / "sample.heic").write_bytes(heic(Image.open(SAMPLE)))
    for photo in sorted((DATA / "photos").glob("*.jpg")):
        shutil.copyfile(photo, folder / f"photo-{photo.name}")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def container(engine: Engine) -> Iterator[str]:
    """Run the service in its container."""
    limits = [f"--memory={MEMORY}", f"--memory-swap={MEMORY}"]
    allowed = f"BGR_ALLOWED_PRIVATE_HOSTS=127.0.0.1:{SOURCE_PORT}"
    name = engine.run(
        "run", "--detach", *CONFINED, *limits, "--env", f"PORT={PORT}", "--env", allowed, IMAGE
    ).strip()
    yield name
    engine.run("rm", "--force", name)


@pytest.fixture(scope="module")
def installed(engine: Engine, container: str) -> set[str]:
    """Return the packages in the image, as `name==version`."""
    pairs = (line.split("==") for line in engine.python(container, INSTALLED).split())
    return {f"{canonicalize_name(name)}=={version}" for name, version in pairs}


@pytest.fixture(scope="module")
def has_heif(installed: set[str]) -> bool:
    """Return whether the image is built with HEIC."""
    return any(one.startswith("pillow-heif==") for one in installed)


@pytest.fixture(scope="module")
def seen(engine: Engine, container: str, images: Path) -> Any:
    """Run the client; return what it saw."""
    driver = ROOT / "tests" / "support" / "image_driver.py"
    mounts = [f"--volume={images}:/images:ro", f"--volume={driver}:/driver.py:ro"]
    network = [
        f"--network=container:{container}" if flag.startswith("--network") else flag
        for flag in CONFINED
    ]
    return json.loads(
        engine.run(
            "run", "--rm", *network, *mounts, "--entrypoint=python", IMAGE, "/driver.py", str(PORT)
        )
    )


def test_the_image_is_small(engine: Engine, record_property: Record) -> None:
    size = engine.inspect(IMAGE)["Size"]
    record_property("the image unpacked: MB", size / 1e6)
    assert size < UNPACKED


def test_the_image_declares_its_port_and_user(engine: Engine) -> None:
    config = engine.inspect(IMAGE)["Config"]
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert config["User"] == "1034:1034"
    assert "BENTOML_DO_NOT_TRACK=True" in config["Env"]


def test_the_image_holds_what_serving_needs_and_nothing_else(
    engine: Engine, container: str, installed: set[str], has_heif: bool
) -> None:
    lock = ROOT / "requirements" / ("heif.txt" if has_heif else "serve.txt")
    assert installed <= set(re.findall(r"^[^ #]+==[^ ;]+", lock.read_text(), re.MULTILINE))
    names = {name.partition("==")[0] for name in installed}
    assert {"bentoml", "onnxruntime", "pillow", "numpy", "httpx", "pydantic"} <= names
    assert "scipy" not in names  # docs/decisions/0009-numpy-components.md
    tools = f"import shutil; print(*filter(shutil.which, {TOOLS}))"
    assert engine.python(container, tools).split() == []
    assert engine.python(container, "import os; print(os.getuid(), os.geteuid())").split() == [
        "1034",
        "1034",
    ]


def test_the_bill_of_materials_lists_all_parts(engine: Engine) -> None:
    found = inventory(engine.name, IMAGE)
    listed = {part["bom-ref"]: part for part in json.loads(bill(IMAGE, found))["components"]}
    assert len(listed) == len(found["debian"]) + len(found["python"]) + len(found["models"])
    assert {"pkg:deb/debian/libc6", "pkg:pypi/onnxruntime", "pkg:pypi/bentoml"} <= {
        name.partition("@")[0] for name in listed
    }
    assert listed[f"model:{MODEL_TAG.replace(':', '@')}"]["hashes"][0]["alg"] == "SHA-256"


@pytest.mark.usefixtures("seen")
def test_the_health_check_succeeds(engine: Engine, container: str) -> None:
    image = engine.inspect(IMAGE)
    # docker and podman keep it in different places.
    check = image["Config"].get("Healthcheck") or image["Healthcheck"]
    how, *command = check["Test"]
    assert how == "CMD"
    engine.run("exec", container, *command)
    with pytest.raises(subprocess.CalledProcessError):
        engine.run("exec", "--env", "PORT=1", container, *command)


def test_real_photos_by_url_and_by_upload(seen: Any, images: Path) -> None:
    assert seen["uploads"].keys() == seen["urls"].keys() == {path.name for path in images.iterdir()}
    for name, response in seen["uploads"].items():
        by_url = seen["urls"][name]
        assert (response["status"], response["code"], response["cutout"]) == (
            by_url["status"],
            by_url["code"],
            by_url["cutout"],
        )
        if name not in ("bomb.png", "page.html", "sample.heic", "truncated.jpg"):
            described = (response["status"], response["cutout"][:2])
            assert described == (200, ["PNG", "RGBA"]), (name, response)


def test_heic_is_cut_out_if_the_image_is_built_with_it(seen: Any, has_heif: bool) -> None:
    codes = {seen[way]["sample.heic"]["code"] for way in ("uploads", "urls")}
    assert codes == {"ok" if has_heif else "unsupported_image_type"}


def test_the_image_states_the_license_that_heic_adds(engine: Engine, has_heif: bool) -> None:
    licenses = engine.inspect(IMAGE)["Config"]["Labels"]["org.opencontainers.image.licenses"]
    assert licenses == "MIT AND Apache-2.0" + " AND GPL-2.0-or-later" * has_heif


def test_broken_files_and_private_addresses_are_refused(seen: Any) -> None:
    codes = {
        name: seen["uploads"][name]["code"] for name in ("bomb.png", "page.html", "truncated.jpg")
    }
    assert codes == {
        "bomb.png": "image_too_large",
        "page.html": "unsupported_image_type",
        "truncated.jpg": "image_corrupt",
    }
    assert (seen["a wrong option"]["status"], seen["a wrong option"]["code"]) == (
        400,
        "invalid_request",
    )
    assert list(seen["refused"].values()) == ["url_not_allowed"] * 3 + ["invalid_url"] * 2


def test_bursts_are_answered_or_refused_as_busy(seen: Any) -> None:
    for load in ("24 at once", "16 of 24 megapixels at once"):
        responses = seen[load]
        assert {response["code"] for response in responses} <= {"ok", "busy"}, load
        assert sum(response["code"] == "ok" for response in responses) >= 16, load
        assert len({tuple(response["cutout"]) for response in responses if response["cutout"]}) == 1


def test_bentomls_client(seen: Any) -> None:
    by_url, by_upload = seen["BentoML's client"]
    assert by_url == by_upload == seen["uploads"]["sample.jpg"]["cutout"]


@pytest.mark.usefixtures("seen")
def test_the_service_stays_within_its_memory(
    engine: Engine, container: str, record_property: Record
) -> None:
    """The kernel's peak includes the page cache, which it may drop: the peak may be the limit."""
    cgroup = cgroup_of(engine.inspect(container)["State"]["Pid"])
    record_property("the container: the kernel's peak, MB", cgroup.peak() / 1e6)
    record_property("the container: held after all, MB", cgroup.held() / 1e6)
    assert cgroup.out_of_memory_kills() == 0
    assert cgroup.held() < 0.8 * MEMORY


@pytest.mark.usefixtures("seen")
def test_the_service_stops_when_the_engine_stops_it(engine: Engine, container: str) -> None:
    started = time.monotonic()
    engine.run("stop", "--time=40", container)
    assert time.monotonic() - started < 10
    assert engine.inspect(container)["State"]["ExitCode"] == 0
    levels = {
        json.loads(line)["level"]
        for line in engine.run("logs", container).splitlines()
        if line.startswith("{")
    }
    assert levels == {"info"}


def test_a_killed_worker_ends_the_container(engine: Engine) -> None:
    """With exit code 1, so that the orchestrator starts another. It listens on its default port."""
    container = engine.run("run", "--detach", *CONFINED, IMAGE).strip()
    try:
        connect = "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"

        def listens() -> bool:
            try:
                engine.python(container, connect)
            except subprocess.CalledProcessError:
                return False
            return True

        assert wait_until(listens, seconds=60)
        worker = "open(f'/proc/1/task/1/children').read().split()[-1]"
        engine.python(container, f"import os; os.kill(int({worker}), 9)")
        assert engine.run("wait", container, timeout=12).strip() == "1"
    finally:
        engine.run("rm", "--force", container)
