"""The command `batch`, with the model: the service's bytes, and every fault that ends a process."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image

from batch.processes import PARENT_BYTES, WORKER_BYTES
from tests.support.batch import command_line, rows_of, run_batch
from tests.support.environment import ROOT, Record
from tests.support.process_memory import watching
from tests.support.serving import Server, environment
from tests.support.waiting import wait_until

MB = 1_000_000
IMAGES = 60
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@pytest.fixture(scope="module")
def small_images(tmp_path_factory: pytest.TempPathFactory, photo: bytes) -> Path:
    """A folder with small images, all different."""
    folder = tmp_path_factory.mktemp("small")
    with Image.open(BytesIO(photo)) as image:
        for number in range(IMAGES):
            place = folder / f"{number % 4}" / f"{number}.jpg"
            place.parent.mkdir(exist_ok=True)
            image.resize((200 + number, 200)).save(place)
    return folder


def assert_complete(manifest: Path, count: int) -> None:
    """Assert that each image has one row, one whole output, and nothing else is there."""
    rows = rows_of(manifest)
    outputs = {row["output"]: row for row in rows}
    assert len(rows) == len(outputs) == count
    folder = manifest.parent
    for name, row in outputs.items():
        assert row["code"] == "ok", row
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*outputs, manifest.name}


def assert_equal_to_the_service(service: Server, folder: Path, options: dict[str, str]) -> int:
    """Assert that every output has the bytes of the service's response; return how many."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    run_batch(folder, folder / "out", "--keep-suffix", *flags)
    rows = rows_of(folder / "out" / "manifest.jsonl")
    for row in rows:
        response = service.upload(Path(row["source"]).read_bytes(), **options)
        if row["code"] != "ok":
            assert response.json()["code"] == row["code"]
            continue
        assert (folder / "out" / row["output"]).read_bytes() == response.content, row["source"]
        assert row["width"] == int(response.headers["X-Width"])
        assert row["subject"]["left"] == int(response.headers["X-Foreground-Left"])
    assert sum(row["code"] == "ok" for row in rows) > len(rows) / 2
    return len(rows)


def test_outputs_have_the_bytes_of_the_service(
    default_service: Server, data: Path, tmp_path: Path
) -> None:
    for photo in sorted((data / "photos").glob("*.jpg"))[:3]:
        shutil.copy(photo, tmp_path)
    (tmp_path / "bad.jpg").write_text("no image")
    options = {"margin": "9", "format": "webp"}
    assert assert_equal_to_the_service(default_service, tmp_path, options) == 4


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"edges": "raw", "output": "mask", "max_side": "500"}])
def test_fifty_photos_have_the_bytes_of_the_service(
    default_service: Server, data: Path, tmp_path: Path, options: dict[str, str]
) -> None:
    found = (path for path in sorted(data.rglob("*")) if path.suffix.lower() in SUFFIXES)
    photos = [path for path in found if path.stat().st_size > 5_000][:50]
    for number, path in enumerate(photos):
        shutil.copy(path, tmp_path / f"{number}{path.suffix}")
    assert assert_equal_to_the_service(default_service, tmp_path, options) == 50


@pytest.fixture
def running(small_images: Path, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A run over the small images, with two workers, which has some rows."""
    with started(small_images, tmp_path / "out") as process:
        wait_for_rows(tmp_path / "out", 3)
        yield process
        process.kill()


def started(source: Path, out: Path) -> "subprocess.Popen[bytes]":
    """Start a run with two workers."""
    command = command_line(source, out, "--workers", "2")
    output = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=output, stderr=output)


def rows_so_far(out: Path) -> int:
    """Return the number of lines in the manifest."""
    manifest = out / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def wait_for_rows(out: Path, count: int) -> None:
    """Return once the manifest has so many rows."""
    assert wait_until(lambda: rows_so_far(out) >= count, 60, pause=0.005)


def is_gone(process: psutil.Process) -> bool:
    """Return whether a process has ended, though nobody may have asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_gone(processes: list[psutil.Process]) -> None:
    """Assert that all processes end within five seconds."""
    assert wait_until(lambda: all(map(is_gone, processes)), 5)


@pytest.mark.slow
def test_workers_that_are_killed_cost_no_image(
    running: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    process = psutil.Process(running.pid)
    first = process.children()
    assert len(first) == 2
    assert not [link for one in (process, *first) for link in one.net_connections()]
    for worker in first:
        worker.kill()
        time.sleep(1)
    assert running.wait(120) == 0
    assert_complete(tmp_path / "out" / "manifest.jsonl", IMAGES)
    assert {row["attempts"] for row in rows_of(tmp_path / "out" / "manifest.jsonl")} == {1, 2}


@pytest.mark.slow
def test_a_run_that_is_killed_at_ten_moments_is_continued(
    small_images: Path, tmp_path: Path
) -> None:
    out, moments = tmp_path / "out", random.Random(0)
    for kill in range(10):
        with started(small_images, out) as process:
            before = rows_so_far(out)
            wait_for_rows(out, before + 1)
            time.sleep(moments.random() / 8)
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        assert process.returncode == -signal.SIGKILL, f"kill {kill}"
        assert children
        assert_gone(children)
    assert rows_so_far(out) < IMAGES
    assert run_batch(small_images, out).returncode == 0
    assert_complete(out / "manifest.jsonl", IMAGES)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_what_has_begun(
    running: "subprocess.Popen[bytes]", tmp_path: Path, number: int
) -> None:
    os.kill(running.pid, number)
    assert running.wait(30) == 130
    manifest = tmp_path / "out" / "manifest.jsonl"
    assert_complete(manifest, len(rows_of(manifest)))


def in_a_mount(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount; its arguments follow `batch` as "$0"."""
    batch = f"{sys.executable} -m batch"
    unshare = ["unshare", "--mount", "--map-root-user", "--propagation", "private"]
    trial = subprocess.run([*unshare, "true"], capture_output=True, check=False)
    if trial.returncode != 0:
        pytest.skip(f"needs namespaces ({' '.join(unshare)})")
    return subprocess.run(
        [*unshare, "sh", "-c", script, batch, *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_the_next_one_continues(
    small_images: Path, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    script = (
        'mount -t tmpfs -o size=600k none "$2" || exit 9; $0 "$1" "$2"; echo "status $?";'
        'mount -o remount,size=99m "$2"; $0 "$1" "$2"; echo "status $?"; cp -r "$2" "$3"'
    )
    result = in_a_mount(script, small_images, tmp_path / "disk", tmp_path / "copy")
    assert "No space left on device. The same command continues." in result.stderr
    assert result.stdout.startswith("status 1\n"), result.stdout
    assert result.stdout.endswith("status 0\n")
    assert_complete(tmp_path / "copy" / "manifest.jsonl", IMAGES)


@pytest.mark.slow
def test_a_read_only_target_is_refused(small_images: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    result = in_a_mount(
        'mount -t tmpfs -o ro none "$2" || exit 9; $0 "$1" "$2"', small_images, tmp_path / "disk"
    )
    assert result.returncode == 2
    assert result.stderr.startswith(f"batch: The folder {tmp_path}/disk is read-only.")


def highest_memory(command: list[str]) -> int:
    """Run a command that prints much; return the highest resident memory seen, in bytes."""
    peak = 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            peak = max(peak, 1024 * int(found[1])) if found else peak
            time.sleep(0.02)
    assert process.returncode == 0
    return peak


@pytest.mark.slow
def test_a_list_of_a_million_rows_takes_constant_memory(
    tmp_path: Path, record_property: Record
) -> None:
    peaks = []
    for rows in (1_000, 1_000_000):
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write("url\n")
            file.writelines(f"https://images.example.com/{n % 97}/{n}.jpg\n" for n in range(rows))
        peaks.append(highest_memory(command_line(path, tmp_path / "out", "--dry-run")))
    record_property("batch: a list of a million rows, MB", peaks[1] / MB)
    record_property("batch: more than for a thousand rows, MB", (peaks[1] - peaks[0]) / MB)
    assert peaks[1] - peaks[0] < 15 * MB


@pytest.mark.slow
def test_large_photos_stay_within_the_memory_that_workers_are_counted_with(
    data: Path, tmp_path: Path, record_property: Record
) -> None:
    for number, photo in enumerate(sorted((data / "photos" / "large").glob("*.jpg")) * 4):
        shutil.copy(photo, tmp_path / f"{number}.jpg")
    with started(tmp_path, tmp_path / "out") as process, watching(process.pid) as watch:
        assert process.wait(300) == 0
    record_property("batch: two workers with large photos, MB", watch.peak / MB)
    assert watch.peak < PARENT_BYTES + 2 * WORKER_BYTES
