"""Mutated pictures through the pipeline, by the thousand: `python -m tests.support.fuzz --minutes 10 --seed 1`.

Each worker is a process of its own, so that a decoder that crashes or hangs is an outcome like any other. It prints a line for each
seed: the seed before it tries, and what became of it after.
"""

import argparse
import contextlib
import faulthandler
import io
import itertools
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from types import SimpleNamespace

import bentoml
import numpy as np
from PIL import Image

from pipeline.errors import BackgroundRemovalError
from pipeline.image.decode import decode
from pipeline.mask.segmenter import Prediction, Segmenter
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.memory import WORKER_ENVIRONMENT, release_free_memory
from pipeline.options import Options
from pipeline.remove_background import remove_background
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from tests.support.environment import DATA, ROOT
from tests.support.images import encoded
from tests.support.mutations import mutated, originals
from tests.support.serving import environment

# What a caller may hear of a file, however faulty. Not out_of_memory: there is enough here for every picture that is allowed.
PICTURE_CODES = {"ok", "empty_source", "unsupported_image_type", "image_corrupt", "image_too_large"}
CODES = {*PICTURE_CODES, "no_subject_found", "format_unsupported"}
MAX_PIXELS = 25_000_000
SLOWEST = 5.0  # seconds
# Megabytes over what decoding announces: the picture developed, if it is small (16), and what decoders keep of any file.
MARGIN = 40.0
GROWTH = 8.0  # megabytes that a worker may grow by, once it is warm: a step as some rare decoder is first used, not a slope

KEPT = Path(__file__).parents[1] / ".fuzz"
# Of the seeds given to the whole pipeline, one in so many goes through the real model; one takes as long as a hundred files.
_MODEL_SHARE = 50


@dataclass(frozen=True)
class Outcome:
    """What became of one seed: its code or its process' end, seconds, megabytes resident after it, and beyond what it may take."""

    seed: int
    code: str
    seconds: float = 0.0
    resident: float = 0.0
    excess: float = 0.0

    @property
    def fault(self) -> str | None:
        """Which promise it broke, if any."""
        if self.code not in CODES:
            return self.code
        if self.seconds > SLOWEST:
            return f"{self.seconds:.1f} seconds"
        if self.excess > MARGIN:
            return f"{self.excess:.0f} MB more than announced"
        return None


def outcomes(
    first: int, step: int, whole: bool, until: int | None = None, seconds: float | None = None
) -> Iterator[Outcome]:
    """Try the seeds from `first`, in a process that is replaced when one kills it, up to `until` or for so many seconds.

    `whole` sends them through the whole pipeline instead of the decoder and what reads its picture.
    """
    KEPT.mkdir(exist_ok=True)
    end = None if seconds is None else time.monotonic() + seconds
    while (until is None or first < until) and (end is None or time.monotonic() < end):
        numbers = [
            first,
            step,
            int(whole),
            until or -1,
            -1 if end is None else end - time.monotonic(),
        ]
        command = [sys.executable, "-m", "tests.support.fuzz", "worker", *map(str, numbers)]
        with (KEPT / f"worker-{first % step}.err").open("w") as errors:
            worker = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(**WORKER_ENVIRONMENT),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert worker.stdout is not None
            words: list[str] = []
            for line in worker.stdout:
                words = line.split()
                if len(words) == len(fields(Outcome)):
                    yield Outcome(int(words[0]), words[1], *map(float, words[2:]))
            if worker.wait() == 0:
                return
        died_at = int(words[0]) if words else first
        yield Outcome(died_at, f"died_{worker.returncode}")
        first = died_at + step


def growth(resident: list[float]) -> float:
    """Megabytes from the median of the second fifth to that of the last; in the first, threads start and caches fill."""
    fifth = max(1, len(resident) // 5)
    return statistics.median(resident[-fifth:]) - statistics.median(resident[fifth : 2 * fifth])


def work(first: int, step: int, whole: bool, until: int, seconds: float) -> None:
    """Try seeds and print what becomes of them, one a line; below zero, `until` and `seconds` are no bounds."""
    faulthandler.enable()
    files = originals(DATA)
    end = time.monotonic() + seconds if seconds >= 0 else float("inf")
    for kind in files:  # a large picture starts the threads that no small one needs
        _through_decoder(
            encoded(Image.new("RGB", (4000, 3000)), kind), SimpleNamespace(announced=0)
        )
    runners: list[Segmenter] = [_Pretender()]
    if whole:
        runners.append(
            U2netpSegmenter(Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE, threads=1)
        )
        runners[1].predict(Image.open(SAMPLE).resize((320, 320)))
    for seed in itertools.count(first, step):
        if 0 <= until <= seed or time.monotonic() > end:
            return
        print(seed, end=" ", flush=True)
        data = mutated(files, seed)
        faulthandler.dump_traceback_later(2 * SLOWEST, exit=True)
        started = time.perf_counter()
        with _peak() as peak:
            try:
                code = _through_all(data, seed, runners) if whole else _through_decoder(data, peak)
            except BackgroundRemovalError as error:
                code = error.code
            except Exception as error:
                faulthandler.dump_traceback()
                code = type(error).__name__
        took = time.perf_counter() - started
        faulthandler.cancel_dump_traceback_later()
        release_free_memory()  # what glibc keeps for the next file is no growth
        print(
            code,
            f"{took:.3f}",
            f"{_megabytes('VmRSS'):.1f}",
            f"{0 if whole else peak.excess:.1f}",
            flush=True,
        )


def _through_decoder(data: bytes, peak: SimpleNamespace) -> str:
    def announce(size: int) -> None:
        peak.announced = size / 1e6

    picture = decode(data, MAX_PIXELS, announce)
    width, height = picture.size
    peak.announced += 4 * 320 * height / 1e6  # between the two passes of the reduction
    corners = (width // 3, height // 3, width // 3 + 1, height)
    assert picture.reduced((320, 320)).mode == picture.rgb(corners).mode == "RGB"
    assert picture.rgb(corners).size == (1, height - height // 3)
    assert picture.alpha is None or picture.alpha.size == picture.size
    return "ok"


def _through_all(data: bytes, seed: int, runners: list[Segmenter]) -> str:
    random = Random(seed)
    options = Options(
        subject=random.choice(("largest", "all")),
        crop=random.choice((True, False)),
        margin=random.choice((0, 7, 500)),
        output=random.choice(("cutout", "cutout", "mask")),
        edges=random.choice(("refined", "refined", "raw")),
        format=random.choice(("png", "webp")),
        background=random.choice((None, None, "#fff", "#12345678")),
    )
    segmenter = runners[random.randrange(_MODEL_SHARE) == 0]
    answer = remove_background(data, options, segmenter, MAX_PIXELS, RequestTimer(float("inf")))
    with Image.open(io.BytesIO(answer.content)) as image:
        image.load()
        assert image.size == (answer.width, answer.height)
        assert not image.info.keys() & {"exif", "xmp", "icc_profile", "comment"}
    return "ok"


class _Pretender:
    """A model that finds its subject in the middle."""

    input_size = (320, 320)

    def predict(self, small: Image.Image) -> Prediction:
        assert small.size == self.input_size
        assert small.mode == "RGB"
        across = np.abs(np.linspace(-1, 1, 320))
        mask = 255 * np.clip(1.5 - np.add.outer(across, across), 0, 1)
        return Prediction(mask.astype(np.uint8), 1.0)

    def release_memory(self) -> None:
        pass


@contextlib.contextmanager
def _peak() -> Iterator[SimpleNamespace]:
    """Afterwards, `excess`: megabytes that the block took at its peak over `announced`, which it may set."""
    Path("/proc/self/clear_refs").write_text("5")
    before, peak = _megabytes("VmRSS"), SimpleNamespace(announced=0.0)
    yield peak
    peak.excess = _megabytes("VmHWM") - before - peak.announced


def _megabytes(name: str) -> float:
    found = re.search(name + r":\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def main() -> int:
    """Fuzz with one worker on the decoder and one on the whole pipeline; keep what breaks a promise. 1 if anything did."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    files = originals(DATA)
    first = arguments.seed * 1_000_000_000

    def fuzz(whole: bool) -> list[Outcome]:
        seen = []
        for outcome in outcomes(first + whole, 2, whole, seconds=60 * arguments.minutes):
            seen.append(outcome)
            if outcome.fault is not None:
                kept = KEPT / str(outcome.seed)
                kept.write_bytes(mutated(files, outcome.seed))
                print(f"{kept}: {outcome.fault}", flush=True)
        return seen

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(fuzz, (False, True)))
    everything = list(itertools.chain(*both))
    broken = [outcome for outcome in everything if outcome.fault]
    codes = Counter(outcome.code for outcome in everything)
    grown = growth([outcome.resident for outcome in both[0]])
    print(
        f"seed {arguments.seed}: {len(everything):,} files in {arguments.minutes:g} minutes,",
        f"{', '.join(f'{code} {count:,}' for code, count in codes.most_common())};",
        f"slowest {max(outcome.seconds for outcome in everything):.2f} s, most beyond announced memory",
        f"{max(outcome.excess for outcome in everything):.0f} MB, grown by {grown:.1f} MB; {len(broken)} broke a promise",
    )
    return 1 if broken or grown > GROWTH else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        work(
            int(sys.argv[2]),
            int(sys.argv[3]),
            sys.argv[4] == "1",
            int(sys.argv[5]),
            float(sys.argv[6]),
        )
    else:
        sys.exit(main())
