"""What images are processed with: models and threads, for one image or for two small ones at once.

One image has all processors, which is the shortest time for it. Two small images at once have half
of the processors each, which is the highest throughput, because no thread waits for another.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.image.heif.decoder import HeifDecoder, find_decoder
from pipeline.image.strips import SERIAL, Strips
from pipeline.mask.segmenter import Segmenter, load_segmenter
from pipeline.shared_lock import SharedLock

T = TypeVar("T")

# Work that needs more memory than this does not share the process with another image: 12 MB is a
# JPEG of 3 megapixels. Sixteen such images at once take 400 MB at the peak; with 30 MB instead of
# 12, images of 7 megapixels would take 493 MB.
SHARED_BYTES = 12_000_000

# Work that needs more memory than this does not share the process with the model's activations
# (79 MB per inference): they are freed first, which costs the next inference 12 ms (30 ms without
# huge pages). 30 MB is a JPEG of 7.5 megapixels, or a WebP response of 1.2.
LARGE_BYTES = 30_000_000


class Slot:
    """What one image is processed with: `segmenter`, `strips`, and `heif` if it is installed.

    `is_large` is whether the image needs more than LARGE_BYTES.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        strips: Strips = SERIAL,
        take_all: Callable[[], "Slot"] | None = None,
        heif: HeifDecoder | None = None,
    ) -> None:
        """Process with these; with what `take_all` returns if the image may not share."""
        self.segmenter = segmenter
        self.strips = strips
        self.heif = heif
        self.is_large = False
        self._take_all = take_all

    def claim(self, needed: int) -> Strips:
        """Prepare for work that needs `needed` bytes at its peak. Returns its threads.

        Work over SHARED_BYTES waits for the image beside it, and gets all processors.
        """
        self.is_large = needed > LARGE_BYTES
        if needed > SHARED_BYTES and self._take_all is not None:
            whole, self._take_all = self._take_all(), None
            self.segmenter, self.strips = whole.segmenter, whole.strips
        if self.is_large:
            self.segmenter.release_memory()
        return self.strips


class Engine:
    """The models and threads of one process."""

    def __init__(self, whole: Slot, half: Slot | None = None) -> None:
        """Process one image with `whole`, or two small ones with `half` each."""
        self._whole = whole
        self._half = half
        # Two inferences leave the activations of both. One image must not find them.
        self._lock = SharedLock(on_free=whole.segmenter.release_memory)

    def run(self, work: Callable[[Slot], T], is_shared: bool) -> T:
        """Call `work(slot)` with all processors, or with half of them if `is_shared`.

        Two threads may call this at the same time, both with `is_shared`. An image that needs more
        than SHARED_BYTES then waits for the other one, and the next image waits for it.
        """
        if not is_shared or self._half is None:
            return work(Slot(self._whole.segmenter, self._whole.strips, heif=self._whole.heif))
        with self._lock.held() as exclude_others:

            def take_all() -> Slot:
                exclude_others()
                return self._whole

            return work(Slot(self._half.segmenter, self._half.strips, take_all, self._whole.heif))


def load_engine(model: str, model_file: Path, threads: int, slots: int) -> Engine:
    """Load `model` (see `load_segmenter`) for `threads` processors, and for each of `slots` (1, 2).

    Raises StartupError.
    """
    whole = Slot(load_segmenter(model, model_file, threads), Strips(threads), heif=find_decoder())
    if slots == 1:
        return Engine(whole)
    share = math.ceil(threads / slots)
    return Engine(whole, Slot(load_segmenter(model, model_file, share), Strips(share)))
