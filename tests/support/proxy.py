"""A real nginx on loopback, with the configuration that deploy/nginx.conf gives as an example."""

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.serving import Server, free_port, wait_until_ready


@contextlib.contextmanager
def behind_nginx(program: str, instances: Sequence[Server], folder: Path) -> Iterator[Server]:
    """The example's nginx, with these two instances and a port of loopback in place of its own; its log is in `folder`."""
    port = free_port()
    config = (
        (ROOT / "deploy" / "nginx.conf")
        .read_text()
        .replace("listen 8000;", f"listen 127.0.0.1:{port};")
    )
    for example, instance in zip(
        re.findall(r"server 127\.0\.0\.1:(\d+)", config), instances, strict=True
    ):
        config = config.replace(
            f"server 127.0.0.1:{example} ", f"server 127.0.0.1:{instance.port} "
        )
    (folder / "logs").mkdir()
    (folder / "nginx.conf").write_text(config)
    command = [
        program,
        "-p",
        str(folder),
        "-c",
        "nginx.conf",
        "-g",
        "daemon off; pid nginx.pid; error_log logs/error.log;",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            proxy = Server(f"http://127.0.0.1:{port}", process, folder / "logs" / "error.log")
            wait_until_ready(proxy)
            yield proxy
        finally:
            process.send_signal(signal.SIGQUIT)
