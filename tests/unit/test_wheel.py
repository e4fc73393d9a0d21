"""The wheel: built from the checkout, installed beside the locked packages, imported and run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hatch_build import rewrite_imports
from pipeline.weights import SAMPLE
from tests.support.environment import ROOT

# Runs in a process that can import the installed wheel, but nothing of the checkout.
CUT_OUT = """
import functools, json, sys
from pathlib import Path
from background_remover.pipeline.engine import load_engine
from background_remover.pipeline.options import Options
from background_remover.pipeline.remove_background import remove_background
from background_remover.pipeline.request_timer import RequestTimer
from background_remover.pipeline.weights import SAMPLE
from background_remover import service
from background_remover.batch import command
from background_remover.serving.startup import check_libraries

check_libraries()
work = functools.partial(
    remove_background, SAMPLE.read_bytes(), Options(), max_pixels=10**6,
    timer=RequestTimer(float("inf")),
)
cutout = load_engine("u2netp", Path(sys.argv[1]), threads=2, slots=2).run(work, is_shared=True)
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps({
    "size": [cutout.width, cutout.height],
    "version": json.loads(service.openapi_document())["info"]["version"],
    "clashing": sorted(loaded & {"batch", "compat", "pipeline", "serving", "service"}),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    install = [*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return site


def test_it_installs_one_package_and_its_command(installed: Path) -> None:
    packages = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert packages == {"background_remover", "bin"}


def test_the_installed_package_removes_a_background(installed: Path, model_file: Path) -> None:
    result: dict[str, Any] = json.loads(
        subprocess.run(
            [sys.executable, "-c", CUT_OUT, str(model_file)],
            cwd=installed.parent,
            env={**os.environ, "PYTHONPATH": str(installed)},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout.splitlines()[-1]
    )
    width, height = result["size"]
    assert 100 < width <= 512
    assert 100 < height <= 512
    assert result["version"] == "0.1.0"
    assert result["clashing"] == []


def test_the_installed_command_processes_many(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SAMPLE.read_bytes())
    script = installed / "bin" / "background-remover-batch"
    result = subprocess.run(
        [sys.executable, script, "a.jpg", "out", "--workers", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "a.png").exists()


def test_only_imports_are_rewritten() -> None:
    source = '"""Flow\nfrom pipeline to serving."""\nfrom pipeline.errors import (\n    A,\n)\n'
    nested = "def load():\n    from compat import pillow\n    from pipelines import other\n"
    assert rewrite_imports(source + nested) == (
        '"""Flow\nfrom pipeline to serving."""\n'
        "from background_remover.pipeline.errors import (\n    A,\n)\n"
        "def load():\n    from background_remover.compat import pillow\n"
        "    from pipelines import other\n"
    )


@pytest.mark.parametrize("line", ["import pipeline", "import compat.bentoml as private"])
def test_an_import_that_cannot_be_rewritten_stops_the_build(line: str) -> None:
    with pytest.raises(ValueError, match="instead of `import "):
        rewrite_imports(f"{line}\n")
