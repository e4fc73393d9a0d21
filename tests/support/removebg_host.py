"""Let programs whose host is fixed reach the service as https://api.remove.bg.

They run in namespaces of their own: /etc/hosts names api.remove.bg there, and a proxy on port 443
has a certificate of a throw-away authority. It passes the bytes on through a Unix socket, which is
all that leads out of the network namespace.

`python -m tests.support.removebg_host <folder> <command ...>` is the inside.
"""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.support.environment import ROOT
from tests.support.serving import Server

_NAMESPACES = ["unshare", "--net", "--mount", "--map-root-user"]
_SOCKET, _HOSTS, _AUTHORITY, _CERTIFICATE = "socket", "hosts", "authority.pem", "host.pem"


@dataclass(frozen=True)
class Host:
    """A folder with what the inside needs."""

    folder: Path

    def run(self, command: list[str], cwd: Path) -> bytes:
        """Run a command where api.remove.bg is the service; return its standard output."""
        inside = [sys.executable, "-m", __name__, str(self.folder), str(cwd), *command]
        result = subprocess.run(
            [*_NAMESPACES, *inside], cwd=ROOT, capture_output=True, check=False, timeout=60
        )
        assert result.returncode == 0, result.stderr.decode()[-3000:]
        return result.stdout


@contextlib.contextmanager
def serve_as_remove_bg(server: Server, folder: Path) -> Iterator[Host]:
    """Pass on what comes through the Unix socket in `folder`. Skip without namespaces."""
    trial = subprocess.run([*_NAMESPACES, "true"], capture_output=True, check=False)
    if trial.returncode != 0 or shutil.which("ip") is None:
        pytest.skip(f"needs namespaces ({' '.join(_NAMESPACES)}) and ip (apt install iproute2)")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / _AUTHORITY)
    certificate = authority.issue_cert("api.remove.bg")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / _CERTIFICATE)
    (folder / _HOSTS).write_text("127.0.0.1 localhost api.remove.bg\n")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / _SOCKET))
        listening.listen()
        _accept(listening, server.connect)
        yield Host(folder)


def _accept(listening: socket.socket, connect: Callable[[], socket.socket]) -> None:
    """Connect each accepted connection with another one, in threads, until the socket closes."""

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                other = connect()
                for pair in ((accepted, other), (other, accepted)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _inside(folder: Path, cwd: str, command: list[str]) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(folder / _HOSTS), "/etc/hosts"], check=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / _CERTIFICATE)

    def connect() -> socket.socket:
        outside = socket.socket(socket.AF_UNIX)
        outside.connect(str(folder / _SOCKET))
        return outside

    with socket.create_server(("127.0.0.1", 443)) as server:
        _accept(tls.wrap_socket(server, server_side=True), connect)
        trusted = {"NODE_EXTRA_CA_CERTS": str(folder / _AUTHORITY)}
        return subprocess.run(command, cwd=cwd, env=os.environ | trusted, check=False).returncode


if __name__ == "__main__":
    sys.exit(_inside(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
