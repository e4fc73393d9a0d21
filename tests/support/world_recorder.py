"""Web servers on every address of a small internet, which record connections."""

import asyncio
import collections
import datetime
import ssl

import trustme

from tests.support.world_names import REDIRECTS, SUFFIX


class Recorder:
    """Web servers on every address, and the number of connections to each."""

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
