"""One item: from its source to a row of the manifest, on whatever machine."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batch.arguments import MAX_PIXELS, TIMEOUT
from batch.cutters import WORKER, CutterPool, Result
from batch.errors import ImageFailed
from batch.manifest import Row, Status, Work
from batch.protocol import Settings
from batch.reading import Limits, Reader
from batch.sources import Item
from batch.targets import Target, open_target
from pipeline.errors import BackgroundRemovalError
from pipeline.weights.store import MODEL_TAG, find_model

STORED_MODEL = "u2netp"


@dataclass(frozen=True)
class Policy:
    """What is done again: what an earlier run has done (`all`), or what failed there."""

    redo_all: bool = False
    retry_failed: bool = False


@dataclass(frozen=True)
class Setup:
    """What a machine needs to know to process items: plain values, which can be sent to it.

    `options` are those of the service as a JSON object, `digest` names them in rows, `seconds` is
    the time that an image may take, and `worker` is the command that starts a worker.
    """

    options: dict[str, Any]
    digest: str
    target: str
    limits: Limits
    model: str = STORED_MODEL
    max_pixels: int = MAX_PIXELS
    seconds: float = TIMEOUT
    policy: Policy = Policy()
    worker: Sequence[str] = WORKER


@dataclass(frozen=True)
class Tools:
    """What items are processed with. `options` and `model` name those of the manifest's rows."""

    reader: Reader
    cutters: CutterPool
    target: Target
    options: str
    model: str
    policy: Policy = Policy()


@contextmanager
def open_tools(setup: Setup, workers: int) -> Iterator[Tools]:
    """Yield what items are processed with, by so many workers; then end these.

    Raises UsageError and StartupError.
    """
    is_stored = setup.model == STORED_MODEL
    model_file = str(find_model()) if is_stored else ""
    settings = Settings(setup.options, setup.model, model_file, setup.max_pixels)
    with (
        closing(Reader(setup.limits)) as reader,
        closing(CutterPool(workers, settings, setup.seconds, setup.worker)) as cutters,
    ):
        yield Tools(
            reader,
            cutters,
            open_target(setup.target),
            setup.digest,
            MODEL_TAG if is_stored else setup.model,
            setup.policy,
        )


def process(item: Item, known: int | None, tools: Tools) -> Row | Status:
    """Return the row of an item, whose output is written by then.

    `known` is the manifest's state of the output. If it says that an earlier run has processed the
    item, return the status of then.

    Raises RunStopped and StartupError if no other item could be processed either.
    """
    seconds = dict[str, float]()
    row: Row = {"source": item.source, "output": item.output, "version": ""}
    try:
        version = item.version
        row["version"] = tools.reader.version(item.source) if version is None else version
        if (status := _status_before(item, row["version"], known, tools)) is not None:
            return status
        with _timed(seconds, "read"):
            image = tools.reader.read(item.source)
        row["source_bytes"] = len(image)
        result = tools.cutters.run("cut", image)
        del image
        seconds |= result.fields.pop("seconds")
        with _timed(seconds, "write"):
            tools.target.write(item.output, result.content, result.fields["media_type"])
        row |= _described(result)
    except (ImageFailed, BackgroundRemovalError) as exc:
        row |= {"status": "failed", "code": exc.code, "message": str(exc)}
    return {
        **row,
        "options": tools.options,
        "model": tools.model,
        "seconds": {step: round(took, 4) for step, took in seconds.items()},
        "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _status_before(item: Item, version: str, known: int | None, tools: Tools) -> Status | None:
    """Return what an earlier run made of an item, or None if it is to be processed."""
    if tools.policy.redo_all:
        return None
    status = Work(version or item.source, tools.options, tools.model).status(known)
    if status == "done" and not tools.target.has(item.output):
        return None
    return None if status == "failed" and tools.policy.retry_failed else status


def _described(result: Result) -> Row:
    return {
        "status": "done",
        "code": "ok",
        **result.fields,
        "bytes": len(result.content),
        "sha256": hashlib.sha256(result.content).hexdigest(),
        "attempts": result.attempts,
    }


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[step] = time.monotonic() - start
