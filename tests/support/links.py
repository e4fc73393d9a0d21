"""A service with signed links, caches in front of it, and clients that open links."""

import asyncio
import contextlib
import getpass
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from serving.links.signature import signed_url
from tests.support.environment import ROOT, needed
from tests.support.serving import Server, free_port, running
from tests.support.waiting import wait_until

KEY = "k" * 32
INFERENCES = "background_remover_model_runs_total"


def link(image_url: str, **fields: str) -> str:
    """Return the path and query of a link."""
    return signed_url("", KEY.encode(), {"image_url": image_url, **fields})


def inferences(server: Server) -> float:
    """Return how many inferences a service has run. The counter begins with the first request."""
    lines = server.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(INFERENCES))


@contextlib.contextmanager
def behind_nginx_cache(service: Server, folder: Path) -> Iterator[Server]:
    """Run nginx with the example's configuration in front of a service."""
    program, port = needed("nginx", "nginx-light"), free_port()
    config = (ROOT / "deploy" / "nginx-cache.conf").read_text()
    config = config.replace("listen 8000;", f"listen 127.0.0.1:{port};")
    config = config.replace("background-remover:8000 ", f"127.0.0.1:{service.port} ")
    (folder / "logs").mkdir()
    (folder / "nginx.conf").write_text(config)
    # As this user, because another one could not write to this folder.
    directives = f"user {getpass.getuser()}; daemon off; pid nginx.pid; error_log logs/error.log;"
    command = [program, "-p", str(folder), "-c", "nginx.conf", "-g", directives]
    with running(command, port, os.environ) as proxy:
        yield _ready(proxy)


@contextlib.contextmanager
def behind_varnish(service: Server, folder: Path) -> Iterator[Server]:
    """Run Varnish with the example's configuration in front of a service."""
    program, port = needed("varnishd", "varnish"), free_port()
    config = (ROOT / "deploy" / "cache.vcl").read_text()
    config = config.replace('"background-remover"', '"127.0.0.1"')
    (folder / "cache.vcl").write_text(config.replace('"8000"', f'"{service.port}"'))
    # Without a jail, which could not read a folder of the user's own.
    command = [program, "-j", "none", "-F", "-n", str(folder), "-a", f"127.0.0.1:{port}"]
    command += ["-f", str(folder / "cache.vcl"), "-s", "malloc,64m"]
    with running(command, port, os.environ) as proxy:
        yield _ready(proxy)


def _ready(proxy: Server) -> Server:
    def responds() -> bool:
        with contextlib.suppress(OSError):
            proxy.connect().close()
            return True
        return False

    assert wait_until(responds, 20), proxy.log.with_suffix(".err").read_text()
    return proxy


# The caches that have an example in deploy/.
CACHES = {"nginx": behind_nginx_cache, "varnish": behind_varnish}


async def open_links(port: int, paths: Sequence[str], total: int, clients: int) -> Counter[int]:
    """GET each path in turn, `total` times in all, on `clients` connections that stay open.

    Returns how often each status came. A connection that breaks counts as status 0.
    """
    statuses: Counter[int] = Counter()
    left = iter(range(total))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in left:
            request = f"GET {paths[number % len(paths)]} HTTP/1.1\r\nHost: a.com\r\n\r\n"
            writer.write(request.encode())
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                statuses[int(head.split()[1])] += 1
            except (OSError, asyncio.IncompleteReadError):
                statuses[0] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return statuses
