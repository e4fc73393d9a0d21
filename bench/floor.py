"""The floor: decode, one model run and encode of a picture, one after another in a process with nothing else.

`python -m bench.floor` is that process. It reads commands from standard input, a line each, and answers each with a line of JSON:
`load PICTURE CUTOUT` (two files) prepares what a run must not pay for, `run` times the three steps, in seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent

# PNG 3rd edition: the signature (5.2), 8 bits of RGBA (11.2.1), and the filter type Up (9.2).
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA_8 = bytes((8, 6, 0, 0, 0))
_UP = 2
_ISAL_LEVEL = 2

Steps = dict[str, float]


@dataclass(frozen=True)
class Floor:
    """The floor's process, as seen from the bench."""

    process: subprocess.Popen[str]
    folder: Path

    def load(self, picture: bytes, cutout: bytes) -> None:
        """Prepare for a picture; `cutout` is the service's answer, whose pixels are encoded again."""
        files = [self.folder / "picture.jpg", self.folder / "cutout.png"]
        for file, content in zip(files, (picture, cutout), strict=True):
            file.write_bytes(content)
        self._ask(" ".join(["load", *map(str, files)]))

    def run(self) -> Steps:
        """The seconds that each step took."""
        return self._ask("run")

    def _ask(self, command: str) -> Steps:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(command, file=self.process.stdin, flush=True)
        answer: Steps = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def running() -> Iterator[Floor]:
    """Start the floor's process, and end it with the block."""
    command = [sys.executable, "-m", "bench.floor"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:  # its end closes the pipes, which ends the process
            yield Floor(process, Path(folder))


def main() -> None:
    """Answer commands until standard input ends."""
    import bentoml
    import numpy as np
    from isal import isal_zlib
    from numpy.typing import NDArray
    from PIL import Image, ImageOps

    from pipeline.mask.u2netp import U2netpSegmenter
    from pipeline.weights.store import MODEL_FILE, MODEL_TAG

    segmenter = U2netpSegmenter(
        Path(bentoml.models.get(MODEL_TAG).path) / MODEL_FILE, threads=len(os.sched_getaffinity(0))
    )

    def decode(file: Path) -> Image.Image:
        with Image.open(file) as image:
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")

    def encode(samples: NDArray[np.uint8]) -> bytes:
        height, width, _ = samples.shape
        rows = samples.reshape(height, -1)
        filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = _UP
        filtered[0, 1:] = rows[0]
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        content = isal_zlib.compress(filtered, _ISAL_LEVEL)
        return b"".join(
            (
                _SIGNATURE,
                chunk(b"IHDR", size + _RGBA_8),
                chunk(b"IDAT", content),
                chunk(b"IEND", b""),
            )
        )

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(content, zlib.crc32(kind))
        return b"".join(
            (len(content).to_bytes(4, "big"), kind, content, checksum.to_bytes(4, "big"))
        )

    picture, model_image, cutout = (
        Path(),
        Image.new("RGB", segmenter.input_size),
        np.zeros((1, 1, 4), np.uint8),
    )
    for line in sys.stdin:
        command, *files = line.split()
        if command == "load":
            picture = Path(files[0])
            model_image = decode(picture).resize(segmenter.input_size, Image.Resampling.LANCZOS)
            cutout = np.asarray(Image.open(files[1]).convert("RGBA"))
            print(json.dumps({}), flush=True)
            continue
        times = [time.perf_counter()]
        decode(picture)
        times.append(time.perf_counter())
        segmenter.predict(model_image)
        times.append(time.perf_counter())
        encode(cutout)
        times.append(time.perf_counter())
        steps = {
            name: times[i + 1] - times[i] for i, name in enumerate(("decode", "predict", "encode"))
        }
        print(json.dumps(steps), flush=True)


if __name__ == "__main__":
    main()
