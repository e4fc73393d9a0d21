"""A small internet in a network namespace.

`unshare --net --mount --map-root-user python -m tests.support.world FLIPS` prints, as JSON, what
the downloader and a running service make of it. Every address is this machine, a name server
answers for all names, and every connection to ports 80 and 443 is recorded under its address.
"""

import asyncio
import collections
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import dnslib.server

from pipeline.errors import BackgroundRemovalError
from pipeline.fetch.download import Downloader
from pipeline.weights import SAMPLE
from tests.support.concurrency import fetch_codes, map_side_by_side
from tests.support.environment import no_limit
from tests.support.offline import raise_loopback
from tests.support.serving import serve
from tests.support.world_names import PATHS, PUBLIC, SUFFIX, NameServer
from tests.support.world_recorder import Recorder


def set_up_the_network() -> None:
    """Put every address on loopback, and let the system ask the name server of this world."""
    raise_loopback()
    for family in ("-4", "-6"):
        everything = "0.0.0.0/0" if family == "-4" else "::/0"
        subprocess.run(["ip", family, "route", "add", "local", everything, "dev", "lo"], check=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as resolver:
        resolver.write("nameserver 127.0.0.1\noptions timeout:5 attempts:1\n")
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    Path(resolver.name).unlink()


async def codes_of_the_downloader(urls: list[str], downloader: Downloader) -> list[str]:
    """Download URLs, 16 at a time; return the code of each, or "ok"."""

    async def code(url: str) -> str:
        try:
            await downloader.download(url, no_limit)
        except BackgroundRemovalError as error:
            return error.code
        return "ok"

    return await map_side_by_side(code, urls)


async def run(recorder: Recorder, flip_count: int) -> dict[str, Any]:
    """Fetch every URL, and return the codes and the connections.

    In this world, only the service's own guard keeps it from an address.
    """
    tls = ssl.create_default_context()
    recorder.authority.configure_trust(tls)
    downloader = Downloader(max_bytes=20_000_000, timeout=3, tls=tls)

    def of_the_downloader(urls: list[str]) -> Callable[[], Awaitable[list[str]]]:
        return lambda: codes_of_the_downloader(urls, downloader)

    async def recorded(fetch: Callable[[], Awaitable[list[str]]]) -> tuple[list[str], Any]:
        recorder.connects.clear()
        return await fetch(), dict(recorder.connects)

    urls = list(PATHS)
    silent = [f"http://silent-{number}{SUFFIX}/photo.jpg" for number in range(16)]
    flips = [f"http://flip-{number}{SUFFIX}/photo.jpg" for number in range(flip_count)]
    codes, connects = await recorded(of_the_downloader(urls))
    flip_codes, flip_connects = await recorded(of_the_downloader(flips))
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(recorder.authority.cert_pem.bytes())
        file.flush()
        with serve(SSL_CERT_FILE=file.name, BGR_DOWNLOAD_TIMEOUT="3") as server:
            of_service, service_connects = await recorded(lambda: fetch_codes(server.url, urls))
    of_silent = await codes_of_the_downloader(silent, downloader)
    after_silence = await codes_of_the_downloader(urls[:1], downloader)
    return {
        "silent": {"codes": dict(collections.Counter(of_silent)), "and then": after_silence},
        "downloader": {"codes": dict(zip(urls, codes, strict=True)), "connects": connects},
        "flips": {"codes": dict(collections.Counter(flip_codes)), "connects": flip_connects},
        "service": {
            "codes": dict(zip(urls, of_service, strict=True)),
            "connects": service_connects,
        },
    }


async def main(flip_count: int) -> dict[str, Any]:
    """Set the world up, and fetch every URL in it."""
    set_up_the_network()
    dnslib.server.DNSServer(
        NameServer(),
        address="127.0.0.1",
        port=53,
        logger=dnslib.server.DNSLogger(logf=lambda _: None),
    ).start_thread()
    recorder = Recorder(SAMPLE.read_bytes())
    await recorder.start()
    return await run(recorder, flip_count)


if __name__ == "__main__":
    assert IPv4Address(PUBLIC).is_global
    json.dump(asyncio.run(main(int(sys.argv[1]))), sys.stdout)
