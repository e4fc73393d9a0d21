"""Our service and the peer's as processes of their own on loopback."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.client import Answer, get, post_form, post_json
from bench.peer import REMBG

_ROOT = Path(__file__).parent.parent

# Seconds. The peer's first start compiles for most of a minute.
_START_LIMIT, _STOP_LIMIT = 180, 20
_POLL = 0.01


@dataclass(frozen=True)
class Server:
    """A running server; `started` is when it was (`time.perf_counter`, seconds)."""

    port: int
    process: subprocess.Popen[bytes]
    started: float
    log: Path
    ready_path: str
    upload_path: str
    file_field: str
    form: dict[str, str] = field(default_factory=dict)

    def upload(self, picture: bytes, **fields: str) -> Answer:
        """Send a picture."""
        return post_form(
            self.port, self.upload_path, self.file_field, picture, {**self.form, **fields}
        )

    def fetch(self, url: str) -> Answer:
        """Send a picture's URL: ours alone."""
        return post_json(self.port, "/remove-background", {"image_url": url})

    def wait_until_ready(self) -> float:
        """Wait for the first 200, and return the seconds since the start. Raises RuntimeError if there is none."""
        while time.perf_counter() - self.started < _START_LIMIT and self.process.poll() is None:
            if get(self.port, self.ready_path).status == 200:
                return time.perf_counter() - self.started
            time.sleep(_POLL)
        raise RuntimeError(
            f"{self.process.args!r} did not become ready:\n{self.log.read_text()[-3000:]}"
        )


@contextmanager
def ours(environment: Mapping[str, str], prefix: Sequence[str] = ()) -> Iterator[Server]:
    """Start `bentoml serve` on this checkout, with a command before it, and stop it when the block ends."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BGR_")}
    port = _free_port()
    command = [
        *prefix,
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        ".",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with _running(command, {**inherited, "BENTOML_DO_NOT_TRACK": "True", **environment}) as (
        process,
        started,
        log,
    ):
        yield Server(port, process, started, log, "/readyz", "/remove-background/upload", "image")


@contextmanager
def peer(environment: Mapping[str, str]) -> Iterator[Server]:
    """Start `rembg s --no-ui`, and stop it when the block ends."""
    port = _free_port()
    command = [str(REMBG), "s", "--no-ui", "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, environment) as (process, started, log):
        yield Server(
            port, process, started, log, "/api", "/api/remove", "file", {"model": "u2netp"}
        )


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], float, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            started = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process, started, log
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop by SIGTERM; what is left of the tree after that is killed."""
    if process.poll() is None:
        root = psutil.Process(process.pid)
        tree = [root, *root.children(recursive=True)]
        process.terminate()
        _, left = psutil.wait_procs(tree, timeout=_STOP_LIMIT)
        for member in left:
            member.kill()
    process.wait()


def _free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
