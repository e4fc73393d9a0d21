"""The child process that works on images: `python -m batch.worker CONNECTION SETTINGS`.

It is the only module of this package that loads the model. It may crash, be killed or hang without
harm: `cutters.py` supervises it.
"""

import dataclasses
import io
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from batch.protocol import Message, Settings, receive, send
from pipeline.engine import load_engine
from pipeline.errors import BackgroundRemovalError, StartupError
from pipeline.memory import release_free_memory
from pipeline.options import Options
from pipeline.remove_background import remove_background
from pipeline.request_timer import RequestTimer
from pipeline.weights import SAMPLE

# The kernel kills this process rather than its parent, or others, when memory is short.
_OOM_SCORE = "500"

_THUMBNAIL_SIDE, _THUMBNAIL_QUALITY = 160, 60


class Worker:
    """The model, on one thread, and what it is asked to do."""

    def __init__(self, settings: Settings) -> None:
        """Load the model and process one image. Raises StartupError."""
        self._options = Options(**settings.options)
        self._max_pixels = settings.max_pixels
        self._engine = load_engine(settings.model, Path(settings.model_file), threads=1, slots=1)
        self.cut(SAMPLE.read_bytes())
        release_free_memory()

    def cut(self, image: bytes) -> Message:
        """Return a cutout's fields and the seconds of each step, and its bytes."""
        timer = RequestTimer(deadline=float("inf"))
        cutout = self._engine.run(
            lambda slot: remove_background(image, self._options, slot, self._max_pixels, timer),
            is_shared=False,
        )
        fields = dataclasses.asdict(cutout)
        content = fields.pop("content")
        seconds = {step: round(ms / 1000, 4) for step, ms in timer.milliseconds.items()}
        return {**fields, "seconds": seconds}, content

    def thumbnail(self, image: bytes) -> Message:
        """Return no fields, and a small WebP of an image, upright, with its transparency.

        The WebP is empty if Pillow cannot read the image, which no one needs to know more about.
        """
        file, side = io.BytesIO(), _THUMBNAIL_SIDE
        with warnings.catch_warnings():
            # Pillow warns of images over the limit, which the first image has set.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            try:
                with Image.open(io.BytesIO(image)) as opened:
                    opened.draft("RGB", (side, side))
                    small = ImageOps.exif_transpose(opened).convert("RGBA")
                small.thumbnail((side, side))
                small.save(file, "WEBP", quality=_THUMBNAIL_QUALITY)
            except Exception:
                return {}, b""
        return {}, file.getvalue()

    def reply(self, task: str, image: bytes) -> Message:
        """Do what is asked. Every error but the process's own end becomes a reply."""
        try:
            fields, content = {"cut": self.cut, "thumbnail": self.thumbnail}[task](image)
            return {"code": "ok", **fields}, content
        except BackgroundRemovalError as exc:
            return {"code": exc.code, "message": exc.message}, b""
        except Exception:
            traceback.print_exc()
            return {"code": "internal_error", "message": "A defect: see standard error."}, b""


def serve(connection: "Connection[Any, Any]", settings: Settings) -> None:
    """Report that the worker is ready, or why not, and answer until the parent is gone."""
    try:
        worker = Worker(settings)
    except StartupError as exc:
        send(connection, {"code": "startup", "message": str(exc)})
        return
    send(connection, {"code": "ready"})
    while True:
        header, image = receive(connection)
        send(connection, *worker.reply(header["task"], image))


def _end_with_parent() -> None:
    """End this process when its standard input closes, whatever it is doing then."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Serve the connection that the command line names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    try:
        serve(Connection(int(sys.argv[1])), Settings(**json.loads(sys.argv[2])))
    except (EOFError, OSError):
        sys.exit("batch: the parent process is gone")


if __name__ == "__main__":
    main()
