"""Run the command `batch`, and workers whose images do as they are told."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from batch.errors import RunStopped
from batch.protocol import Settings
from batch.targets import FolderTarget
from pipeline.options import Options
from pipeline.weights.store import find_model
from tests.support.environment import ROOT
from tests.support.serving import environment

# A worker without a model. Its images are words: the worker dies or hangs, refuses, counts how
# often it has been asked, or turns letters into capitals.
OBEDIENT = """
import os, signal, sys, time, threading
from multiprocessing.connection import Connection
from batch.protocol import receive, send

threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
connection, count = Connection(int(sys.argv[1])), 0
send(connection, {"code": "ready"})
while True:
    header, image = receive(connection)
    count += 1
    if image == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif image == b"hang":
        time.sleep(600)
    elif image == b"refuse":
        send(connection, {"code": "no_subject_found", "message": "Nothing there."})
        continue
    fields = {"media_type": "image/png", "seconds": {"decode": 0.5}, "count": count}
    fields["confidence"] = 1 / len(image)
    send(connection, {"code": "ok", **fields}, image.upper())
"""
OBEDIENT_WORKER = (sys.executable, "-c", OBEDIENT)
NO_MODEL = Settings({}, "u2netp", "", 25_000_000)


def real_settings(**options: Any) -> Settings:
    """Return the settings of a worker with the model."""
    dumped = Options(**options).model_dump()
    return Settings(dumped, "u2netp", str(find_model()), 25_000_000)


def command_line(*arguments: str | Path) -> list[str]:
    """Return the command line of `batch`."""
    return [sys.executable, "-m", "batch", *map(str, arguments)]


def run_batch(
    *arguments: str | Path, prefix: Sequence[str] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run `batch` to its end, behind the words of `prefix`."""
    return subprocess.run(
        [*prefix, *command_line(*arguments)],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def rows_of(manifest: Path) -> list[dict[str, Any]]:
    """Return the rows of a manifest."""
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing more be written to a folder."""

    def full(*_: object) -> None:
        raise RunStopped("Nothing more can be written.")

    monkeypatch.setattr(FolderTarget, "write", full)
