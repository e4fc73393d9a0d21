"""Start a real `bentoml serve` in its own process, and talk to it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.environment import ROOT
from tests.support.waiting import wait_until

URL, UPLOAD = "/remove-background", "/remove-background/upload"

# The steps of an upload. A request with a URL has "download" instead of "receive".
UPLOAD_STEPS = ["receive", "wait", "decode", "segment", "select", "encode"]

# Docker's limit is 10 s (docker stop). The service has 8 s to finish requests (BGR_DRAIN).
_STOP_SECONDS = 15.0

# httpx would read the system's certificates for each client: 27 ms.
_TLS = ssl.create_default_context()


@dataclass
class Server:
    """A running server: its address, its process, its log, and when it was started.

    `started` is a value of `time.perf_counter`. `headers` are sent with every request.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    started: float = field(default_factory=time.perf_counter)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """The port on loopback."""
        return int(self.url.rpartition(":")[2])

    def connect(self, timeout: float = 10) -> socket.socket:
        """Open a connection, to send what no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request on its own connection; `arguments` are those of `httpx.request`."""
        options: Any = {"timeout": 30, "trust_env": False, "verify": _TLS}
        with httpx.Client(headers=self.headers, **options) as client:
            return client.request(method, self.url + path, **arguments)

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        """GET a path."""
        return self.request("GET", path, **arguments)

    def post(self, **fields: object) -> httpx.Response:
        """POST /remove-background with a JSON body."""
        return self.request("POST", URL, json=fields)

    def upload(self, image: bytes, **fields: str) -> httpx.Response:
        """POST /remove-background/upload with a form."""
        return self.request("POST", UPLOAD, files={"image": ("image", image)}, data=fields)

    def log_lines(self, after: int = 0) -> list[dict[str, Any]]:
        """Parse the log so far, one JSON object per line; skip the first `after` lines.

        A last line that is still being written is left out.
        """
        complete = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()[after:]]

    def logged(
        self, name: str, value: str, at_least: int = 1, after: int = 0, seconds: float = 5
    ) -> list[dict[str, Any]]:
        """Return the log lines whose field `name` is `value`.

        A line is written after its response is sent: wait for `at_least` lines.
        """
        lines: list[dict[str, Any]] = []

        def found() -> bool:
            lines[:] = [line for line in self.log_lines(after) if line.get(name) == value]
            return len(lines) >= at_least

        wait_until(found, seconds)
        return lines

    def children(self) -> list[int]:
        """Return the process ids of the supervisor's children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(child) for child in children.read_text().split()]
        except FileNotFoundError:
            return []

    def worker(self) -> int:
        """Return the process id of the worker."""
        return self.children()[-1]

    def kill(self) -> None:
        """Kill all processes at once, as if the machine failed."""
        for process in (self.process.pid, *self.children()):
            os.kill(process, signal.SIGKILL)
        self.process.wait()


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that a response has the shape of an error, and no internals; return its body."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    body: dict[str, Any] = response.json()
    fields = {"error", "code", "status"} if code == "source_http_error" else {"error", "code"}
    assert body.keys() == fields
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-BentoML-Request-ID"])
    assert body["error"].endswith(".")
    assert not re.search(r"127\.0\.0\.1|Traceback|/[a-z]+/[a-z]+\.py|0x[0-9a-f]{6}", body["error"])
    assert ("retry-after" in response.headers) == (status in (429, 503))
    return body


def free_port() -> int:
    """Return a port of loopback that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(target: str, port: int) -> list[str]:
    """Return the command line that serves `target`, a folder or a Bento's tag, on loopback."""
    bentoml = [sys.executable, "-m", "bentoml"]
    return [*bentoml, "serve", target, "--host", "127.0.0.1", "--port", str(port)]


def environment(**settings: str) -> dict[str, str]:
    """Return this process' environment with `settings` as the only settings of the service."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BGR_")}
    return {**inherited, "BENTOML_DO_NOT_TRACK": "True", **settings}


@contextlib.contextmanager
def running(
    arguments: Sequence[str], port: int, env: Mapping[str, str], cwd: Path = ROOT
) -> Iterator[Server]:
    """Run a server until the block ends; then end what is left of its process tree.

    The log is standard output. Standard error is beside it in `log.err`, because C libraries write
    there about broken images.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output, log.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(arguments, cwd=cwd, env=env, stdout=output, stderr=errors)
        try:
            yield Server(f"http://127.0.0.1:{port}", process, log)
        finally:
            end_tree(process)


@contextlib.contextmanager
def launch(
    target: str = ".",
    cwd: Path = ROOT,
    prefix: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    port: int | None = None,
) -> Iterator[Server]:
    """Start the service, by a command before it if there is one; do not wait until it is ready.

    The service must stop with status 0 when the block ends, unless it was killed.
    """
    port = port or free_port()
    arguments = [*prefix, *command(target, port)]
    with tempfile.TemporaryDirectory() as home:
        env = environment(**{"BENTOML_HOME": _make_home(Path(home)), **(settings or {})})
        with running(arguments, port, env, cwd) as server:
            yield server
            if server.process.returncode != -signal.SIGKILL:
                stop(server)


def _make_home(folder: Path) -> str:
    """Make a BentoML home with the models and Bentos of the current one.

    BentoML keeps the metrics of a server in its home, and deletes those of other servers there.
    """
    current = Path(os.environ.get("BENTOML_HOME", Path.home() / "bentoml"))
    for name in ("models", "bentos"):
        if (current / name).exists():
            (folder / name).symlink_to(current / name)
    return str(folder)


@contextlib.contextmanager
def serve(target: str = ".", cwd: Path = ROOT, **settings: str) -> Iterator[Server]:
    """Serve until the block ends, then stop by SIGTERM, which must succeed."""
    with launch(target, cwd, settings=settings) as server:
        wait_until_ready(server)
        yield server


@contextlib.contextmanager
def serve_two() -> Iterator[list[Server]]:
    """Serve two instances, which start at the same time."""
    with launch() as first, launch() as second:
        wait_until_ready(first)
        wait_until_ready(second)
        yield [first, second]


def stop(server: Server) -> None:
    """Stop by SIGTERM. Raise AssertionError if that takes 15 s, or the exit status is not 0."""
    server.process.send_signal(signal.SIGTERM)
    try:
        status = server.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the service did not stop:\n{_end_of_log(server)}") from None
    assert status == 0, _end_of_log(server)


def end_tree(process: subprocess.Popen[bytes], seconds: float = _STOP_SECONDS) -> None:
    """End a process and its descendants: by SIGTERM, and after `seconds` by SIGKILL."""
    if process.poll() is not None:
        return
    root = psutil.Process(process.pid)
    tree = [root, *root.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(tree, timeout=seconds)
    for member in left:
        member.kill()
    process.wait()


def wait_until_ready(server: Server, seconds: float = 120, path: str = "/readyz") -> None:
    """Return once `path` answers 200. Raise AssertionError if that takes too long."""

    def ready() -> bool:
        if server.process.poll() is not None:
            return True
        with contextlib.suppress(httpx.TransportError):
            return server.get(path).status_code == 200
        return False

    is_ready = wait_until(ready, seconds) and server.process.poll() is None
    assert is_ready, f"the service did not become ready:\n{_end_of_log(server)}"


def _end_of_log(server: Server) -> str:
    errors = server.log.with_suffix(".err")
    return server.log.read_text()[-3000:] + (errors.read_text()[-3000:] if errors.exists() else "")


async def send_at_once(
    count: int, request: Callable[[httpx.AsyncClient], Any]
) -> list[httpx.Response]:
    """Send `count` requests at the same time, each on its own connection."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, trust_env=False, verify=_TLS, limits=limits) as client:
        return list(await asyncio.gather(*(request(client) for _ in range(count))))
