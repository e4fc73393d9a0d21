"""Send mutated images through the pipeline: `python -m tests.support.fuzz --minutes 10 --seed 1`.

Each worker is its own process, so that a decoder that crashes or hangs is an outcome like any
other. A worker prints one line per seed: the seed before the attempt, and the outcome after it.
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

from pipeline.engine import Slot
from pipeline.errors import BackgroundRemovalError
from pipeline.image.decode import decode
from pipeline.image.heif.decoder import HeifDecoder
from pipeline.image.strips import SERIAL, Strips
from pipeline.mask.segmenter import Prediction, Segmenter
from pipeline.mask.u2netp import U2netpSegmenter
from pipeline.memory import WORKER_ENVIRONMENT, release_free_memory
from pipeline.options import Options
from pipeline.remove_background import remove_background
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE
from pipeline.weights.store import MODEL_FILE, MODEL_TAG
from tests.support.environment import DATA, ROOT
from tests.support.images import MAX_PIXELS, encoded
from tests.support.mutations import mutated, originals
from tests.support.serving import environment

# The codes that any file may end with. Not out_of_memory: there is enough for every allowed image.
IMAGE_CODES = {"ok", "empty_source", "unsupported_image_type", "image_corrupt", "image_too_large"}
CODES = {*IMAGE_CODES, "no_subject_found", "format_unsupported"}
SLOWEST = 5.0  # seconds
# MB over what decoding announces: a small image converted to sRGB (16), and what decoders keep.
MARGIN = 40.0
# MB that a warm worker may grow by: a step when a rare decoder is first used, but no slope.
GROWTH = 8.0

KEPT = Path(__file__).parents[1] / ".fuzz"
# One of so many seeds goes through the real model, which takes as long as a hundred files.
_MODEL_SHARE = 50


@dataclass(frozen=True)
class Outcome:
    """What became of one seed.

    `code` is the error's code, "ok", or how the process ended. `resident` is the process' memory
    afterwards and `excess` its peak over what decoding announced, in MB.
    """

    seed: int
    code: str
    seconds: float = 0.0
    resident: float = 0.0
    excess: float = 0.0

    @property
    def fault(self) -> str | None:
        """Describe the broken promise, if any."""
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
    """Try every `step`th seed from `first`, up to `until` or for `seconds`.

    They run in one process, which is replaced when a seed kills it. `whole` sends them through the
    whole pipeline instead of the decoder alone.
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
    """Return the growth from the median of the second fifth to the median of the last, in MB.

    In the first fifth, threads start and caches fill.
    """
    fifth = max(1, len(resident) // 5)
    return statistics.median(resident[-fifth:]) - statistics.median(resident[fifth : 2 * fifth])


def work(first: int, step: int, whole: bool, until: int, seconds: float) -> None:
    """Try seeds, and print one line each. A negative `until` or `seconds` means no limit."""
    faulthandler.enable()
    files, heif = originals(DATA), HeifDecoder()
    end = time.monotonic() + seconds if seconds >= 0 else float("inf")
    for kind in files.keys() - {"HEIF"}:  # a large image starts the threads
        large = encoded(Image.new("RGB", (4000, 3000)), kind)
        _through_decoder(large, SimpleNamespace(announced=0), heif)
    segmenters: list[Segmenter] = [_FakeSegmenter()]
    if whole:
        segmenters.append(
            U2netpSegmenter(Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE, threads=1)
        )
        segmenters[1].predict(Image.open(SAMPLE).resize((320, 320)))
    for seed in itertools.count(first, step):
        if 0 <= until <= seed or time.monotonic() > end:
            return
        print(seed, end=" ", flush=True)
        data = mutated(files, seed)
        faulthandler.dump_traceback_later(2 * SLOWEST, exit=True)
        started = time.perf_counter()
        with _peak() as peak:
            try:
                code = (
                    _through_all(data, seed, segmenters, heif)
                    if whole
                    else _through_decoder(data, peak, heif)
                )
            except BackgroundRemovalError as error:
                code = error.code
            except Exception as error:
                faulthandler.dump_traceback()
                code = type(error).__name__
        took = time.perf_counter() - started
        faulthandler.cancel_dump_traceback_later()
        release_free_memory()  # free memory that glibc keeps is not growth
        print(
            code,
            f"{took:.3f}",
            f"{_megabytes('VmRSS'):.1f}",
            f"{0 if whole else peak.excess:.1f}",
            flush=True,
        )


def _through_decoder(data: bytes, peak: SimpleNamespace, heif: HeifDecoder) -> str:
    def announce(size: int) -> Strips:
        peak.announced = size / 1e6
        return SERIAL

    image = decode(data, MAX_PIXELS, announce, heif=heif)
    width, height = image.size
    peak.announced += 4 * 320 * height / 1e6  # between the two passes of the reduction
    corners = (width // 3, height // 3, width // 3 + 1, height)
    assert image.reduced((320, 320)).mode == image.rgb(corners).mode == "RGB"
    assert image.rgb(corners).size == (1, height - height // 3)
    assert image.alpha is None or image.alpha.size == image.size
    return "ok"


def _through_all(data: bytes, seed: int, segmenters: list[Segmenter], heif: HeifDecoder) -> str:
    random = Random(seed)
    options = Options(
        subject=random.choice(("largest", "all")),
        crop=random.choice((True, False)),
        margin=random.choice((0, 7, 500)),
        output=random.choice(("cutout", "cutout", "mask")),
        edges=random.choice(("refined", "refined", "raw")),
        passes=random.choice(("auto", "auto", 1, 2)),
        max_side=random.choice((None, None, 64, 500)),
        format=random.choice(("png", "webp", "jpeg")),
        background=random.choice((None, None, "#fff", "#12345678")),
    )
    segmenter = segmenters[random.randrange(_MODEL_SHARE) == 0]
    cutout = remove_background(
        data, options, Slot(segmenter, heif=heif), MAX_PIXELS, RequestTimer(float("inf"))
    )
    with Image.open(io.BytesIO(cutout.content)) as image:
        image.load()
        assert image.size == (cutout.width, cutout.height)
        assert not image.info.keys() & {"exif", "xmp", "icc_profile", "comment"}
    return "ok"


class _FakeSegmenter:
    """A model that finds a subject in the middle of every image."""

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
    """Set `excess` after the block: its peak over `announced`, which the block may set, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    before, peak = _megabytes("VmRSS"), SimpleNamespace(announced=0.0)
    yield peak
    peak.excess = _megabytes("VmHWM") - before - peak.announced


def _megabytes(name: str) -> float:
    found = re.search(name + r":\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def main() -> int:
    """Fuzz the decoder and the whole pipeline, one worker each; keep files that break a promise.

    Return 1 if there are any.
    """
    parser = argparse.ArgumentParser(description="Fuzz the decoder and the whole pipeline.")
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
        f"slowest {max(outcome.seconds for outcome in everything):.2f} s,",
        f"at most {max(outcome.excess for outcome in everything):.0f} MB over what was announced,",
        f"grown by {grown:.1f} MB; {len(broken)} broke a promise",
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
