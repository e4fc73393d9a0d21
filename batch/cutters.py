"""Child processes that work on images: supervised, timed, and replaced when they die.

Whatever an image does to its process, it costs one retry and then one failed image. Pools of the
standard library hang or lose the rest of the work when a process is killed.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from batch.errors import ImageFailed
from batch.protocol import Settings, receive, send
from pipeline.errors import StartupError
from pipeline.memory import WORKER_ENVIRONMENT

ATTEMPTS = 2

# Loading takes 1 s on a fast machine and 10 on a busy one.
_START_SECONDS = 120.0

# "background_remover." if installed as a wheel (hatch_build.py), and "" in a checkout.
_NAMESPACE = __name__.removesuffix("batch.cutters")
_IMPORT_ROOT = Path(__file__).parents[1 + _NAMESPACE.count(".")]

# -P: a folder named `batch` where the user is must not be imported.
WORKER = (sys.executable, "-P", "-m", f"{_NAMESPACE}batch.worker")


def python_path() -> str:
    """Return the PYTHONPATH with which another process finds this package."""
    return os.pathsep.join([str(_IMPORT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


@dataclass(frozen=True)
class Result:
    """What a child replied: `fields` by name, `content`, and at which attempt."""

    fields: dict[str, Any]
    content: bytes
    attempts: int


class Cutter:
    """One child process, which is started when it is needed. One thread at a time may use it."""

    def __init__(self, settings: Settings, seconds: float, command: Sequence[str] = WORKER) -> None:
        """Give each image `seconds`. `command` starts a worker."""
        self._settings = settings
        self._command = command
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._has_started = False

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if none runs."""
        return None if self._process is None else self._process.pid

    def ask(self, task: str, image: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the reply to a task. Afterward, the process may be gone.

        Raises ImageFailed `worker_died` or `timeout`, and StartupError if no child can start.
        """
        try:
            connection = self._connection or self._start()
            send(connection, {"task": task}, image)
            if not connection.poll(self._seconds):
                raise ImageFailed("timeout", f"The image took more than {self._seconds:g} s.")
            return receive(connection)
        except (EOFError, OSError) as exc:
            raise ImageFailed("worker_died", self._obituary()) from exc
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process at once, if one runs."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def _start(self) -> "Connection[Any, Any]":
        ours, theirs = Pipe()
        environment = {**os.environ, **WORKER_ENVIRONMENT, "PYTHONPATH": python_path()}
        with theirs:
            # A process group of its own: Ctrl-C must not reach it. It ends with its standard input.
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), json.dumps(asdict(self._settings))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        self._connection = ours
        if not ours.poll(_START_SECONDS):
            raise StartupError(f"A worker did not start within {_START_SECONDS:g} s.")
        try:
            header, _ = receive(ours)
        except (EOFError, OSError) as exc:
            if self._has_started:
                raise  # the setup works, but memory may be short now
            raise StartupError("A worker ended while it started; see standard error.") from exc
        if header["code"] != "ready":
            raise StartupError(header["message"])
        self._has_started = True
        return ours

    def _obituary(self) -> str:
        """End what is left of the process, and say how it ended."""
        if self._process is None:
            return "No worker could be started for this image."
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            status = 0
        self.kill()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return f"The worker died of this image ({how}), {ATTEMPTS} times."


class CutterPool:
    """Some cutters, for any number of threads."""

    def __init__(
        self, count: int, settings: Settings, seconds: float, command: Sequence[str] = WORKER
    ) -> None:
        """Start no process before it is needed. Give each image `seconds`."""
        self._all = [Cutter(settings, seconds, command) for _ in range(count)]
        # The last one used comes first: few images need few processes.
        self._idle: queue.LifoQueue[Cutter] = queue.LifoQueue()
        for cutter in self._all:
            self._idle.put(cutter)
        self._closed = threading.Event()

    def run(self, task: str, image: bytes) -> Result:
        """Return the reply to a task, by the second attempt if the first one kills its worker.

        Raises ImageFailed with the code of the contract, `worker_died` or `timeout`, and
        StartupError.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._idle_cutter() as cutter:
                    fields, content = cutter.ask(task, image)
                break
            except ImageFailed:
                if attempt == ATTEMPTS or self._closed.is_set():
                    raise
        code = fields.pop("code")
        if code != "ok":
            raise ImageFailed(code, fields["message"])
        return Result(fields, content, attempt)

    def pids(self) -> list[int]:
        """Return the ids of the processes that run."""
        return [cutter.pid for cutter in self._all if cutter.pid is not None]

    def close(self) -> None:
        """End all processes at once."""
        self._closed.set()
        for cutter in self._all:
            cutter.kill()

    @contextmanager
    def _idle_cutter(self) -> Iterator[Cutter]:
        cutter = self._idle.get()
        try:
            yield cutter
        finally:
            self._idle.put(cutter)
