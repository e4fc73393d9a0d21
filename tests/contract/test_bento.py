"""The Bento: built from a clean checkout, served with the network cut off, exported, imported and served again."""

import io
import json
import os
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
from tests.support.serving import environment


def bentoml(*arguments: str, home: Path, cwd: Path = ROOT) -> str:
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
    """A Bento's tag and the BentoML home that holds it, built from the files that git tracks."""
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


def source_of(tag: str, home: Path) -> Path:
    """The folder of a Bento."""
    return home / "bentos" / "background_remover" / tag.rpartition(":")[2]


def cut_out_offline(target: str, home: Path) -> bytes:
    command = [
        "unshare",
        "--net",
        "--map-root-user",
        sys.executable,
        "-m",
        "tests.support.offline",
        target,
        str(SAMPLE),
    ]
    if (
        subprocess.run(
            ["unshare", "--net", "--map-root-user", "true"], capture_output=True, check=False
        ).returncode
        != 0
    ):
        pytest.skip("this machine does not allow a network namespace (unshare --net)")
    result = subprocess.run(
        command, cwd=ROOT, env=environment(BENTOML_HOME=str(home)), capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    return result.stdout


def test_it_holds_what_serving_needs_and_no_more(built: tuple[str, Path]) -> None:
    tag, home = built
    source = source_of(tag, home) / "src"
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
        and name != "requirements/serve.txt"
    ]
    lock = (source.parent / "env" / "python" / "requirements.txt").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert not [line for line in lock.splitlines() if line.startswith(("rembg", "onnx=="))]


def test_it_serves_with_no_network_also_after_export_and_import(
    built: tuple[str, Path], tmp_path: Path
) -> None:
    tag, home = built
    first = cut_out_offline(tag, home)
    assert Image.open(io.BytesIO(first)).mode == "RGBA"
    exported = tmp_path / "remover.bento"
    bentoml("export", tag, str(exported), home=home)
    empty = tmp_path / "empty"
    os.mkdir(empty)
    bentoml("import", str(exported), home=empty)
    assert cut_out_offline(tag, empty) == first


def test_its_labels_say_what_it_runs(built: tuple[str, Path]) -> None:
    tag, home = built
    labels = json.loads(bentoml("get", tag, "--output", "json", home=home))["labels"]
    assert (labels["license"], labels["weights_sha256"]) == ("MIT", WEIGHTS_SHA256)


def test_its_image_has_no_compiler_and_takes_no_package_unchecked(built: tuple[str, Path]) -> None:
    dockerfile = (source_of(*built) / "env" / "docker" / "Dockerfile").read_text()
    assert "apt-get" not in dockerfile
    assert dockerfile.count("-m pip ") == dockerfile.count("--require-hashes") == 1
    assert re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE) == ["8000"]
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["1034:1034"]
    assert "HEALTHCHECK" in dockerfile


def test_two_builds_differ_in_version_and_time_alone(built: tuple[str, Path]) -> None:
    tag, home = built
    checkout = home.parent / "checkout"
    again = bentoml("build", "--output", "tag", home=home, cwd=checkout).strip()
    assert contents(source_of(again, home)) == contents(source_of(tag, home))


def contents(bento: Path) -> dict[str, bytes]:
    """The Bento's files, the description without its version and time."""
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
