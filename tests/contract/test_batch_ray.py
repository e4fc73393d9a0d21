"""`batch --engine ray`: machines, commands and images that are lost, on clusters on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from batch.manifest import read_rows
from tests.contract.test_batch import is_gone
from tests.contract.test_batch_stores import client, fill
from tests.support.batch import OBEDIENT_WORKER, run_batch
from tests.support.environment import ROOT
from tests.support.object_store import object_store
from tests.support.ray_cluster import LOOPBACK, RayCluster, ray_cluster
from tests.support.serving import environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

IMAGES = 60

# The command, which writes its rows at once: a short run would write them at its end.
EAGER = """
import sys
from batch import command, manifest_parts
manifest_parts._PART_SECONDS = 0.0
sys.exit(command.main())
"""

# Words as images: most become capitals, and one kills each worker that it meets.
POISON = """
import io, sys
from contextlib import closing
from batch.cluster import Cluster
from batch.manifest_parts import ManifestInParts
from batch.processing import Setup
from batch.progress import Progress
from batch.reading import Limits
from batch.sources import Item

folder, *worker = sys.argv[1:]
words = [f"word{number}" for number in range(30)] + ["die"]
for word in words:
    open(f"{folder}/{word}", "w").write(word)
setup = Setup({}, "o", f"{folder}/out", Limits(), seconds=5, worker=worker)
progress = Progress(len(words), "json", io.StringIO(), io.StringIO())
with closing(ManifestInParts(f"{folder}/out/manifest")) as manifest:
    cluster = Cluster(setup, manifest, progress, 2, None)
    assert cluster.process(Item(f"{folder}/{word}", f"{word}.png") for word in words)
"""


@pytest.fixture(scope="module", autouse=True)
def _ray() -> None:
    """Skip these tests without Ray. It is imported by other processes only."""
    needs = "needs the extra `ray`: pip install -r requirements/ray.txt"
    pytest.importorskip("pyarrow", reason=needs)
    if subprocess.run([sys.executable, "-c", "import ray"], check=False).returncode != 0:
        pytest.skip(needs)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, photo: bytes) -> Path:
    """A folder with small images, all different."""
    folder = tmp_path_factory.mktemp("images")
    with Image.open(BytesIO(photo)) as image:
        for number in range(IMAGES):
            image.resize((200 + number, 200)).save(folder / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def local(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of a local run."""
    out = tmp_path_factory.mktemp("local")
    assert run_batch(images, out).returncode == 0
    return outputs(out)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster of three machines."""
    with ray_cluster(3) as running:
        yield running


def outputs(out: Path) -> dict[str, bytes]:
    """Return the outputs in a folder by name."""
    return {path.name: path.read_bytes() for path in out.glob("*.png")}


def rows_in(out: Path) -> list[dict[str, Any]]:
    """Return the rows of the manifest in a folder."""
    parts = sorted((out / "manifest").glob("*.parquet"))
    return [row for part in parts for row in read_rows(part)]


def started(source: Path, out: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a run on Ray."""
    return subprocess.Popen(
        [sys.executable, "-c", EAGER, source, out, "--engine", "ray", *arguments],
        cwd=ROOT,
        env=environment(**LOOPBACK),
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_on_loopback(processes: list[psutil.Process]) -> None:
    """Assert that all sockets of some processes, which may end, have loopback's address."""
    seen: set[str] = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            for link in process.net_connections():
                seen.update({link.laddr.ip, *([link.raddr.ip] if link.raddr else [])})
    assert seen
    assert {ip.removeprefix("::ffff:") for ip in seen} <= {"127.0.0.1", "::1"}


def test_a_machine_that_is_lost_costs_no_row_and_no_byte(
    images: Path, local: dict[str, bytes], cluster: RayCluster, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with started(images, out, "--address", cluster.address) as process:
        assert wait_until(lambda: len(outputs(out)) >= 10, 120)
        assert_on_loopback([*cluster.processes(), psutil.Process(process.pid)])
        cluster.remove_machine()
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert f"{IMAGES}  ok" in printed
    rows = rows_in(out)
    assert len(rows) == len({row["output"] for row in rows}) == IMAGES
    assert {row["code"] for row in rows} == {"ok"}
    assert outputs(out) == local


def test_a_command_that_is_killed_is_continued(
    images: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with started(images, out) as process:
        assert wait_until(lambda: len(rows_in(out)) > 0, 120)
        children = psutil.Process(process.pid).children(recursive=True)
        assert_on_loopback(children)
        process.kill()
    # Ray's own look for the head for a minute.
    assert wait_until(lambda: all(map(is_gone, children)), 90)
    before = len(rows_in(out))
    assert 0 < before < IMAGES
    result = run_batch(images, out, "--engine", "ray", **LOOPBACK)
    assert result.returncode == 0, result.stderr
    assert f"{before}  done before" in result.stdout
    rows = rows_in(out)
    assert len(rows) == len({row["output"] for row in rows}) == IMAGES
    assert outputs(out) == local


def test_an_image_that_always_kills_is_one_row(tmp_path: Path) -> None:
    command = [sys.executable, "-c", POISON, str(tmp_path), *OBEDIENT_WORKER]
    subprocess.run(command, cwd=ROOT, env=environment(**LOOPBACK), check=True, timeout=300)
    rows = {row["output"]: row for row in rows_in(tmp_path / "out")}
    assert len(rows) == len(rows_in(tmp_path / "out")) == 31
    assert rows.pop("die.png")["code"] == "worker_died"
    assert {row["code"] for row in rows.values()} == {"ok"}
    assert (tmp_path / "out" / "word7.png").read_bytes() == b"WORD7"


def test_a_bucket_holds_the_outputs_and_the_manifest(photo: bytes) -> None:
    pytest.importorskip("s3fs", reason="needs the extra `stores`")
    with object_store() as store:
        s3 = client(store)
        fill(s3, photo, 12)
        arguments = ["s3://photos/a", "s3://cutouts/b", "--engine", "ray"]
        result = run_batch(*arguments, "--json", **store.environment, **LOOPBACK)
        assert result.returncode == 0, result.stderr
        *rows, summary = map(json.loads, result.stdout.splitlines())
        assert summary["summary"]["codes"] == {"ok": 12}
        found = s3.list_objects_v2(Bucket="cutouts")["Contents"]
        keys = {entry["Key"] for entry in found if entry["Key"].endswith(".png")}
        assert keys == {f"b/{row['output']}" for row in rows}
        again = run_batch(*arguments, **store.environment, **LOOPBACK)
        assert "12  done before" in again.stdout


def test_a_cluster_that_does_not_answer_is_one_sentence(images: Path, tmp_path: Path) -> None:
    arguments = ["--engine", "ray", "--address", "127.0.0.1:1"]
    result = run_batch(images, tmp_path / "out", *arguments, **LOOPBACK)
    assert result.returncode == 2
    assert result.stderr.startswith("batch: There is no Ray cluster at 127.0.0.1:1: ")
