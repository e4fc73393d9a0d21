"""The section of many images in a folder: `batch` beside `rembg p`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.report import MB, Goal, Samples, Section, record, say
from bench.servers import REMBG, Stage, rembg_home
from tests.support.batch import command_line
from tests.support.environment import ROOT
from tests.support.process_memory import watching
from tests.support.serving import environment

# How many images of each size, in megapixels: 2.2 in the mean, as a catalog with some photos of
# phones in it.
_MIX = {"0.24": 60, "0.67": 60, "1.6": 40, "6": 25, "10.7": 10, "12": 5}
# A share of the images whose peak is measured, in a run of its own.
_PART = 5

_FASTER, _WORKERS = "rembg.seconds / seconds", "one / seconds"

FOLDER = Section(
    "A folder of many images",
    f"{sum(_MIX.values())} JPEGs by `batch` with two workers and by `rembg p -m u2netp`, start "
    f"included. Peaks are those of a {_PART}th of the images, in runs of their own.",
    [
        ("times as fast as rembg", _FASTER, "×"),
        ("of one worker", _WORKERS, "×"),
        ("all, s", "seconds", "s"),
        ("one worker, s", "one", "s"),
        ("per second", "rate", "/s"),
        ("peak, MB", "peak", "MB"),
        ("share of rembg's", "peak / rembg.peak", "×"),
    ],
    [
        Goal("times as fast as `rembg p`", ".*", _FASTER, "×", "≥", 2.8),
        Goal("two workers, times as fast as one", ".*", _WORKERS, "×", "≥", 1.85),
        Goal("peak memory of two workers", ".*", "peak", "MB", "≤", 700 * MB),
    ],
)


def measure_folder(stage: Stage, samples: Samples) -> None:
    """Record `batch` with two workers and with one, and rembg.

    A folder is measured once: it takes minutes, and is an average of many images.
    """
    sides = {"rembg": (), "default": (), "edges=raw": ("--edges", "raw")}
    with tempfile.TemporaryDirectory() as scratch:
        images, part = Path(scratch, "images"), Path(scratch, "part")
        _fill(images, stage, stage.repeat(1, 10))
        _fill(part, stage, _PART * stage.repeat(1, 4))
        count = len(list(images.iterdir()))
        case = f"{count} images"
        for side, options in sides.items():
            seconds, _ = _run(side, images, "2", options)
            record(samples, case, side, seconds=seconds, rate=count / seconds)
            if side != "rembg":
                record(samples, case, side, one=_run(side, images, "1", options)[0])
            record(samples, case, side, peak=_run(side, part, "2", options, watch=True)[1])
            say(f"batch: {side}: {count / seconds:.2f} images per second")


def _fill(folder: Path, stage: Stage, divisor: int) -> None:
    """Write one of `divisor` images of the mix."""
    folder.mkdir()
    for size, number in _MIX.items():
        for copy in range(max(1, number // divisor)):
            (folder / f"{size}-{copy}.jpg").write_bytes(stage.images[f"{size}-plain"])


def _run(
    side: str, folder: Path, workers: str, options: tuple[str, ...], watch: bool = False
) -> tuple[float, int]:
    """Process a folder; return the seconds, and the peak of memory in bytes if it is watched."""
    with tempfile.TemporaryDirectory() as out:
        command = command_line(folder, Path(out, "out"), "--workers", workers, *options)
        variables = environment()
        if side == "rembg":
            command = [f"{REMBG}/bin/rembg", "p", "-m", "u2netp", str(folder), out]
            variables = {**os.environ, "U2NET_HOME": rembg_home()}
        started = time.perf_counter()
        with subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=sys.stderr, stderr=subprocess.DEVNULL
        ) as process:
            if watch:
                with watching(process.pid) as watched:
                    process.wait()
            else:
                process.wait()
            seconds = time.perf_counter() - started
        assert process.returncode == 0, command
        outputs = len(list(Path(out).rglob("*.png")))
        assert outputs == len(list(folder.iterdir())), command
    return seconds, watched.peak if watch else 0
