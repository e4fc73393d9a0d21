"""A real `bentoml serve` in a process of its own."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.environment import ROOT


@dataclass
class Server:
    """A running service: its address, its process, its log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    killed: bool = False

    @property
    def port(self) -> int:
        """The port on loopback."""
        return int(self.url.rpartition(":")[2])

    def connect(self, timeout: float = 10) -> socket.socket:
        """A connection of its own, for what no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def post(self, **fields: object) -> httpx.Response:
        """POST /remove-background with a JSON body."""
        return httpx.post(f"{self.url}/remove-background", json=fields, timeout=30, trust_env=False)

    def upload(self, image: bytes, **fields: str) -> httpx.Response:
        """POST /remove-background/upload with a form."""
        files = {"image": ("picture", image)}
        return httpx.post(
            f"{self.url}/remove-background/upload",
            files=files,
            data=fields,
            timeout=30,
            trust_env=False,
        )

    def get(self, path: str) -> httpx.Response:
        """GET a path."""
        return httpx.get(f"{self.url}{path}", timeout=30, trust_env=False)

    def log_lines(self) -> list[dict[str, Any]]:
        """The log so far, each line parsed as the JSON object it must be."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def logged(self, name: str, value: str, at_least: int = 1) -> list[dict[str, Any]]:
        """The lines whose field `name` is `value`; a line is written just after its answer, so this waits for it."""
        lines: list[dict[str, Any]] = []
        end = time.monotonic() + 5
        while len(lines) < at_least and time.monotonic() < end:
            time.sleep(0.05)
            lines = [line for line in self.log_lines() if line.get(name) == value]
        return lines

    def children(self) -> list[int]:
        """The process ids of the supervisor's children."""
        try:
            return [
                int(child)
                for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
                .read_text()
                .split()
            ]
        except FileNotFoundError:
            return []

    def kill(self) -> None:
        """End it at once, all of it, as a machine that fails would."""
        self.killed = True
        for process in (self.process.pid, *self.children()):
            os.kill(process, signal.SIGKILL)
        self.process.wait()

    def worker(self) -> int:
        """The worker's process id."""
        return self.children()[-1]


def upload_request(image: bytes) -> bytes:
    """The bytes of an upload."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        + image
        + b"\r\n--b--\r\n"
    )
    head = b"POST /remove-background/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The one shape of errors: a sentence and a code, and nothing that should stay inside."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    body: dict[str, Any] = response.json()
    assert (
        body.keys() == {"error", "code", "status"}
        if code == "source_http_error"
        else {"error", "code"}
    )
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-BentoML-Request-ID"])
    assert body["error"].endswith(".")
    assert not re.search(r"127\.0\.0\.1|Traceback|/[a-z]+/[a-z]+\.py|0x[0-9a-f]{6}", body["error"])
    assert ("retry-after" in response.headers) == (status in (429, 503))
    return body


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(target: str, port: int) -> list[str]:
    """The command line that serves `target` (a folder or a Bento's tag) on loopback."""
    return [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        target,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def environment(**settings: str) -> dict[str, str]:
    """This environment without other settings of the service, telemetry off."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BGR_")}
    return {**inherited, "BENTOML_DO_NOT_TRACK": "True", **settings}


@contextlib.contextmanager
def serve(target: str = ".", cwd: Path = ROOT, **settings: str) -> Iterator[Server]:
    """Serve until the block ends, then stop by SIGTERM, which must end it with 0 within 15 seconds."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        # The log is standard output; what C libraries say of broken pictures goes to standard error.
        with log.open("wb") as output, log.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(
                command(target, port),
                cwd=cwd,
                env=environment(**settings),
                stdout=output,
                stderr=errors,
            )
        server = Server(f"http://127.0.0.1:{port}", process, log)
        try:
            wait_until_ready(server)
            yield server
        finally:
            if not server.killed:
                stop(server)


def stop(server: Server) -> None:
    """Stop by SIGTERM; whatever is still there after 15 seconds is killed, and is a failure."""
    processes = [server.process.pid, *server.children()]
    server.process.send_signal(signal.SIGTERM)
    try:
        status = server.process.wait(15)
    except subprocess.TimeoutExpired:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        raise AssertionError(
            f"the service did not stop:\n{server.log.read_text()[-3000:]}"
        ) from None
    assert status == 0, server.log.read_text()[-3000:]


def wait_until_ready(server: Server, seconds: float = 60) -> None:
    """Return once /readyz answers 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        try:
            if server.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    errors = server.log.with_suffix(".err").read_text()
    raise AssertionError(f"the service did not become ready:\n{server.log.read_text()}\n{errors}")


async def gather(count: int, request: Callable[[httpx.AsyncClient], Any]) -> list[httpx.Response]:
    async with httpx.AsyncClient(
        timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None)
    ) as client:
        return list(await asyncio.gather(*(request(client) for _ in range(count))))
