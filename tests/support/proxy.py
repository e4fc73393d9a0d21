"""Run nginx on loopback with the configuration of deploy/nginx.conf."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.serving import Server, free_port, running, wait_until_ready


@contextlib.contextmanager
def behind_nginx(program: str, instances: Sequence[Server], folder: Path) -> Iterator[Server]:
    """Run the example's nginx in front of two instances; its log is in `folder`."""
    port = free_port()
    example = (ROOT / "deploy" / "nginx.conf").read_text()
    config = example.replace("listen 8000;", f"listen 127.0.0.1:{port};")
    ports = re.findall(r"server 127\.0\.0\.1:(\d+)", config)
    for theirs, instance in zip(ports, instances, strict=True):
        config = config.replace(f"server 127.0.0.1:{theirs} ", f"server 127.0.0.1:{instance.port} ")
    (folder / "logs").mkdir()
    (folder / "nginx.conf").write_text(config)
    directives = "daemon off; pid nginx.pid; error_log logs/error.log;"
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-g", directives]
    with running(command, port, os.environ) as proxy:
        wait_until_ready(proxy)
        yield proxy
