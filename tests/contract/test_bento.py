"""The Bento: built from a clean checkout, served without a network, exported and imported."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipeline.weights import SAMPLE
from pipeline.weights.fetch import WEIGHTS_SHA256
from tests.support.environment import ROOT
from tests.support.namespaces import run_in_namespaces
from tests.support.serving import environment


def bentoml(*arguments: str, home: Path, cwd: Path = ROOT) -> str:
    """Run a command of BentoML; return its output."""
    command = [sys.executable, "-m", "bentoml", *arguments]
    result = subprocess.run(
        command,
        cwd=cwd,
        env=environment(BENTOML_HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> tuple[str, Path]:
    """Build a Bento from the files that git tracks; return its tag and the BentoML home."""
    folder = tmp_path_factory.mktemp("bento")
    checkout, home = folder / "checkout", folder / "home"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, files.split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, checkout / name)
    shutil.copytree(model_file.parents[1], home / "models" / "u2netp")
    tag = bentoml("build", "--output", "tag", home=home, cwd=checkout).strip().rpartition(":")[2]
    return f"background_remover:{tag}", home


def folder_of(tag: str, home: Path) -> Path:
    """Return the folder of a Bento."""
    return home / "bentos" / "background_remover" / tag.rpartition(":")[2]


def cut_out_offline(target: str, home: Path) -> bytes:
    """Serve a Bento without a network, and return the cutout of the sample."""
    arguments = ("-m", "tests.support.offline", target, str(SAMPLE))
    return run_in_namespaces(("net",), *arguments, BENTOML_HOME=str(home))


def test_the_bento_holds_what_serving_needs_and_nothing_else(built: tuple[str, Path]) -> None:
    tag, home = built
    source = folder_of(tag, home) / "src"
    names = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}
    assert {
        "service.py",
        "LICENSE",
        "pyproject.toml",
        "compat/pillow.py",
        "pipeline/remove_background.py",
        "pipeline/weights/sample.jpg",
        "pipeline/weights/U2NET-LICENSE",
        "serving/middleware.py",
        *(f"web/{file.name}" for file in (ROOT / "web").iterdir()),
    } <= names
    assert not [
        name
        for name in names
        if name.startswith(("tests", "bench", "requirements", "."))
        and name not in (f"requirements/{lock}.txt" for lock in ("serve", "heif", "ray"))
    ]
    lock = (source.parent / "env" / "python" / "requirements.txt").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert not [line for line in lock.splitlines() if line.startswith(("rembg", "onnx=="))]


def test_the_bento_serves_without_a_network_also_after_export_and_import(
    built: tuple[str, Path], tmp_path: Path
) -> None:
    tag, home = built
    first = cut_out_offline(tag, home)
    assert Image.open(io.BytesIO(first)).mode == "RGBA"
    exported = tmp_path / "remover.bento"
    bentoml("export", tag, str(exported), home=home)
    empty = tmp_path / "empty"
    empty.mkdir()
    bentoml("import", str(exported), home=empty)
    assert cut_out_offline(tag, empty) == first


def test_the_labels_name_the_license_and_the_weights(built: tuple[str, Path]) -> None:
    tag, home = built
    labels = json.loads(bentoml("get", tag, "--output", "json", home=home))["labels"]
    assert (labels["license"], labels["weights_sha256"]) == ("MIT", WEIGHTS_SHA256)


def test_the_image_has_no_compiler_and_checks_every_package(built: tuple[str, Path]) -> None:
    dockerfile = (folder_of(*built) / "env" / "docker" / "Dockerfile").read_text()
    assert "apt-get" not in dockerfile
    assert dockerfile.count("-m pip ") == dockerfile.count("--require-hashes") == 1
    assert re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE) == ["8000"]
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["1034:1034"]
    assert "HEALTHCHECK" in dockerfile


@pytest.mark.slow
def test_two_builds_differ_only_in_version_and_time(built: tuple[str, Path]) -> None:
    tag, home = built
    checkout = home.parent / "checkout"
    again = bentoml("build", "--output", "tag", home=home, cwd=checkout).strip()
    assert contents(folder_of(again, home)) == contents(folder_of(tag, home))


def contents(bento: Path) -> dict[str, bytes]:
    """Return the Bento's files; the description without its version and time."""
    files = {
        str(file.relative_to(bento)): file.read_bytes()
        for file in bento.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    lines = files["bento.yaml"].splitlines(keepends=True)
    files["bento.yaml"] = b"".join(
        line for line in lines if not line.startswith((b"version:", b"creation_time:"))
    )
    return files
