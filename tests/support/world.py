"""A small internet in a network namespace: `unshare --net --mount --map-root-user python -m tests.support.world`.

Every address of the world is this machine, and every connection to ports 80 and 443 is accepted and recorded under the address that
it was made to. A name server answers for all names. What the downloader and a running service make of them is printed as JSON.
"""

import asyncio
import collections
import datetime
import json
import random
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import dnslib
import dnslib.server
import trustme

from pipeline.errors import BackgroundRemovalError
from pipeline.fetch.download import Downloader
from pipeline.weights import SAMPLE
from tests.support.environment import no_limit
from tests.support.offline import raise_loopback
from tests.support.serving import serve

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1::1"
PRIVATE = (
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd00:ec2::254",
    "::ffff:a00:1",
)
FLIPS = 1_000

# Each name's records, as a name server's zone has them.
ZONE: dict[str, list[tuple[str, str]]] = {
    "pictures": [("A", PUBLIC)],
    "six": [("AAAA", PUBLIC_6)],
    "both": [("A", PUBLIC), ("AAAA", PUBLIC_6)],
    "many": [("A", f"93.184.216.{last}") for last in range(1, 41)],
    "private": [("A", "10.0.0.1")],
    "loopback": [("A", "127.0.0.1")],
    "loopback6": [("AAAA", "::1")],
    "metadata": [("A", "169.254.169.254")],
    "azure": [("A", "168.63.129.16")],
    "nat64": [("AAAA", "64:ff9b::a00:1")],
    "dns64": [("A", PUBLIC), ("AAAA", "64:ff9b::5db8:d822")],
    "mixed-dns64": [("A", PUBLIC), ("AAAA", "64:ff9b::a00:1")],
    "mapped": [("AAAA", "::ffff:a00:1")],
    "sixtofour": [("AAAA", "2002:a00:1::1")],
    "mixed": [("A", PUBLIC), ("A", "10.0.0.1")],
    "mixed-last": [("A", "10.0.0.1"), ("A", PUBLIC)],
    "mixed-families": [("A", PUBLIC), ("AAAA", "fd00::1")],
    "mixed-families-last": [("A", "192.168.1.1"), ("AAAA", PUBLIC_6)],
    "alias": [("CNAME", "pictures")],
    "alias-of-alias": [("CNAME", "alias")],
    "alias-to-private": [("CNAME", "private")],
    "alias-to-mixed": [("CNAME", "mixed")],
    "alias-to-localhost": [("CNAME", "localhost.")],
    "alias-to-itself": [("CNAME", "alias-to-itself")],
    "nothing": [],
    "secure": [("A", PUBLIC)],
    "wrong-host": [("A", PUBLIC)],
    "expired": [("A", PUBLIC)],
    "not-yet": [("A", PUBLIC)],
    "self-signed": [("A", PUBLIC)],
}
_FAILURES = {
    "refuses": dnslib.RCODE.REFUSED,
    "fails": dnslib.RCODE.SERVFAIL,
    "nowhere": dnslib.RCODE.NXDOMAIN,
}
SUFFIX = ".stylespire.com"

REDIRECTS = {
    "down": "http://pictures.stylespire.com/photo.jpg",
    "private": "https://private.stylespire.com/",
    "private-address": "https://10.0.0.1/",
    "mixed": "https://mixed.stylespire.com/",
    "file": "file:///etc/passwd",
    "user": "https://me:you@secure.stylespire.com/photo.jpg",
    "port": "https://secure.stylespire.com:8443/photo.jpg",
    "along": "https://secure.stylespire.com/photo.jpg",
}

PATHS = {
    **{
        f"http://{name}.stylespire.com/photo.jpg": "ok"
        for name in ("pictures", "six", "both", "many", "dns64", "alias", "alias-of-alias")
    },
    **{
        f"http://{name}.stylespire.com/photo.jpg": "url_not_allowed"
        for name in ZONE
        if name.startswith(("mixed", "alias-to-"))
    },
    **{
        f"http://{name}.stylespire.com/photo.jpg": "url_not_allowed"
        for name in (
            "private",
            "loopback",
            "loopback6",
            "metadata",
            "azure",
            "nat64",
            "mapped",
            "sixtofour",
        )
    },
    **{
        f"http://{name}.stylespire.com/photo.jpg": "source_unreachable"
        for name in ("alias-to-itself", "nothing", "refuses", "fails", "nowhere")
    },
    "http://silent.stylespire.com/photo.jpg": "source_timeout",
    "https://secure.stylespire.com/photo.jpg": "ok",
    "https://secure.stylespire.com:80/photo.jpg": "source_timeout",  # it waits there for a request that is not encrypted
    "http://secure.stylespire.com:443/photo.jpg": "source_unreachable",  # nothing but TLS there
    f"https://{PUBLIC}/photo.jpg": "source_unreachable",  # its certificate is for names
    **{
        f"https://{name}.stylespire.com/photo.jpg": "source_unreachable"
        for name in ("wrong-host", "expired", "not-yet", "self-signed", "alias")
    },
    "https://secure.stylespire.com/to/along": "ok",
    "https://secure.stylespire.com/to/file": "invalid_url",
    **{
        f"https://secure.stylespire.com/to/{target}": "url_not_allowed"
        for target in ("down", "private", "private-address", "mixed", "user", "port")
    },
}


class NameServer(dnslib.server.BaseResolver):  # type: ignore[misc]
    """Answers from the zone; `flip.` and `flip-<n>.` with other addresses at every question."""

    def __init__(self) -> None:
        self._random = random.Random(4)
        self._lock = threading.Lock()

    def resolve(self, request: dnslib.DNSRecord, handler: object) -> dnslib.DNSRecord:
        """Return the answer to one question."""
        reply = request.reply()
        name, kind = str(request.q.qname), dnslib.QTYPE[request.q.qtype]
        label = name.lower().removesuffix(SUFFIX + ".")
        if label.startswith("silent"):
            threading.Event().wait(30)
        reply.header.rcode = _FAILURES.get(label, dnslib.RCODE.NOERROR)
        for owner, record, value in self._records(label, kind):
            reply.add_answer(
                dnslib.RR(
                    owner,
                    getattr(dnslib.QTYPE, record),
                    rdata=getattr(dnslib, record)(value),
                    ttl=0,
                )
            )
        return reply

    def _records(self, label: str, kind: str) -> list[tuple[str, str, str]]:
        if label.startswith("flip"):
            return [(label + SUFFIX, kind, address) for address in self._flipped(kind)]
        found: list[tuple[str, str, str]] = []
        for _ in range(8):
            records = ZONE.get(label, [])
            aliases = [value for record, value in records if record == "CNAME"]
            if not aliases:
                return found + [
                    (label + SUFFIX, record, value) for record, value in records if record == kind
                ]
            target = aliases[0] if aliases[0].endswith(".") else aliases[0] + SUFFIX
            found.append((label + SUFFIX, "CNAME", target))
            if target == "localhost.":
                return [*found, ("localhost.", "A", "127.0.0.1")] if kind == "A" else found
            label = aliases[0]
        return found

    def _flipped(self, kind: str) -> list[str]:
        version = 4 if kind == "A" else 6
        private = [address for address in PRIVATE if ip_address(address).version == version]
        public = [PUBLIC if version == 4 else PUBLIC_6]
        with self._lock:
            return self._random.choice(
                [public, public, public, [self._random.choice(private)], [*public, private[0]], []]
            )


class Recorder:
    """Web servers on every address, and how often each address was connected to."""

    def __init__(self, photo: bytes) -> None:
        self._photo = photo
        self.connects: collections.Counter[str] = collections.Counter()
        self.authority = trustme.CA()
        self._certificates = self._make_certificates()

    async def start(self) -> None:
        """Listen on ports 80 and 443 of both families."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(f"secure{SUFFIX}").configure_cert(tls)
        tls.sni_callback = self._choose
        for host in ("0.0.0.0", "::"):
            await asyncio.start_server(self._answer, host, 80)
            await asyncio.start_server(self._answer, host, 443, ssl=tls)

    def _make_certificates(self) -> dict[str, ssl.SSLContext]:
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        issued = {
            "secure": self.authority.issue_cert(f"secure{SUFFIX}"),
            "wrong-host": self.authority.issue_cert(f"other{SUFFIX}"),
            "expired": self.authority.issue_cert(
                f"expired{SUFFIX}", not_before=now - 9 * day, not_after=now - day
            ),
            "not-yet": self.authority.issue_cert(
                f"not-yet{SUFFIX}", not_before=now + day, not_after=now + 9 * day
            ),
            "self-signed": trustme.CA().issue_cert(f"self-signed{SUFFIX}"),
        }
        contexts = {}
        for name, certificate in issued.items():
            contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(contexts[name])
        return contexts

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        chosen = self._certificates.get((name or "").removesuffix(SUFFIX))
        if chosen is not None:
            connection.context = chosen

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects[writer.get_extra_info("sockname")[0]] += 1
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        path = request.split(b" ")[1].decode()
        if path.startswith("/to/"):
            location = REDIRECTS[path.removeprefix("/to/")]
            writer.write(
                f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
            )
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self._photo) + self._photo
            )
        writer.close()


def make_the_network() -> None:
    """Loopback up, every address on it, and the system's resolver asking the name server here."""
    raise_loopback()
    for family in ("-4", "-6"):
        everything = "0.0.0.0/0" if family == "-4" else "::/0"
        subprocess.run(["ip", family, "route", "add", "local", everything, "dev", "lo"], check=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as resolver:
        resolver.write("nameserver 127.0.0.1\noptions timeout:5 attempts:1\n")
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    Path(resolver.name).unlink()


async def verdicts(urls: list[str], downloader: Downloader) -> list[str]:
    """What the downloader makes of each, 16 at a time."""
    places = asyncio.Semaphore(16)

    async def verdict(url: str) -> str:
        async with places:
            try:
                await downloader.download(url, no_limit)
            except BackgroundRemovalError as error:
                return error.code
        return "ok"

    return list(await asyncio.gather(*map(verdict, urls)))


def of_the_service(urls: list[str], authority: trustme.CA) -> list[str]:
    """What a running service answers; every address of this world is open to it but by its own guard."""
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(authority.cert_pem.bytes())
        file.flush()
        with serve(SSL_CERT_FILE=file.name, BGR_DOWNLOAD_TIMEOUT="3") as server:
            answers = [server.post(image_url=url) for url in urls]
    return ["ok" if answer.status_code == 200 else answer.json()["code"] for answer in answers]


async def main() -> dict[str, Any]:
    """Run everything, and return what is to be known of it."""
    make_the_network()
    dnslib.server.DNSServer(
        NameServer(),
        address="127.0.0.1",
        port=53,
        logger=dnslib.server.DNSLogger(logf=lambda _: None),
    ).start_thread()
    recorder = Recorder(SAMPLE.read_bytes())
    await recorder.start()
    tls = ssl.create_default_context()
    recorder.authority.configure_trust(tls)

    async def recorded(run: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
        recorder.connects.clear()
        return await run(), dict(recorder.connects)

    downloader = Downloader(max_bytes=20_000_000, timeout=3, tls=tls)
    silent = [f"http://silent-{number}{SUFFIX}/photo.jpg" for number in range(16)]
    flips = [f"http://flip-{number}{SUFFIX}/photo.jpg" for number in range(FLIPS)]
    of_names, connects = await recorded(lambda: verdicts(list(PATHS), downloader))
    of_flips, flip_connects = await recorded(lambda: verdicts(flips, downloader))
    answers, service_connects = await recorded(
        lambda: asyncio.to_thread(of_the_service, list(PATHS), recorder.authority)
    )
    of_silent = await verdicts(silent, downloader)
    after_silence = await verdicts([f"http://pictures{SUFFIX}/photo.jpg"], downloader)
    return {
        "silent": {"codes": dict(collections.Counter(of_silent)), "and then": after_silence},
        "downloader": {"codes": dict(zip(PATHS, of_names, strict=True)), "connects": connects},
        "flips": {"codes": dict(collections.Counter(of_flips)), "connects": flip_connects},
        "service": {"codes": dict(zip(PATHS, answers, strict=True)), "connects": service_connects},
    }


if __name__ == "__main__":
    assert IPv4Address(PUBLIC).is_global
    json.dump(asyncio.run(main()), sys.stdout)
