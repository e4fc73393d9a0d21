"""The names of a small internet, its name server, and what each URL must end with."""

import random
import threading
from ipaddress import ip_address

import dnslib
import dnslib.server

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
# The records of each name under SUFFIX, as in a name server's zone.
ZONE: dict[str, list[tuple[str, str]]] = {
    "images": [("A", PUBLIC)],
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
    "alias": [("CNAME", "images")],
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
    "down": "http://images.stylespire.com/photo.jpg",
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
        for name in ("images", "six", "both", "many", "dns64", "alias", "alias-of-alias")
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
    # Port 80 waits for a request that is not encrypted, port 443 speaks TLS alone.
    "https://secure.stylespire.com:80/photo.jpg": "source_timeout",
    "http://secure.stylespire.com:443/photo.jpg": "source_unreachable",
    f"https://{PUBLIC}/photo.jpg": "source_unreachable",  # the certificate is for names
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
    """A name server for the zone. It answers every question for `flip-<n>` with other addresses."""

    def __init__(self) -> None:
        self._random = random.Random(4)
        self._lock = threading.Lock()

    def resolve(self, request: dnslib.DNSRecord, handler: object) -> dnslib.DNSRecord:
        """Answer one question."""
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
