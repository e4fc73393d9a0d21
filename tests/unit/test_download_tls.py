"""Downloads over TLS: the certificate is for the URL's name, and a failed handshake ends."""

import random
import ssl

import pytest
import trustme

from pipeline.errors import SourceTimeout, SourceUnreachable
from tests.support.environment import no_limit
from tests.unit.loopback import LoopbackServer, downloader, resolving


@pytest.mark.parametrize("certified", ["images.stylespire.com", "other.stylespire.com", "1.1.1.1"])
async def test_the_certificate_is_checked_for_the_name_not_the_address(
    certified: str, loopback_server: LoopbackServer
) -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(certified).configure_cert(server_tls)
    authority.configure_trust(client_tls)
    asked = []
    server_tls.sni_callback = lambda _, name, __: asked.append(name)
    body = random.Random(4).randbytes(1_000_000)
    loopback_server.responses = [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    ]
    download = downloader(resolve=resolving(["1.1.1.1"]), tls=client_tls).download(
        "https://images.stylespire.com/x", no_limit
    )
    async with await loopback_server.start(server_tls):
        if certified == "images.stylespire.com":
            assert await download == body
            assert b"\r\nHost: images.stylespire.com\r\n" in loopback_server.requests[0]
        else:
            with pytest.raises(SourceUnreachable) as caught:
                await download
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert loopback_server.requests == []
    assert asked == ["images.stylespire.com"]
    assert loopback_server.connects == ["1.1.1.1"]


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"", SourceUnreachable),
        (b"HTTP/1.1 400 X\r\n\r\n", SourceUnreachable),
        (None, SourceTimeout),
    ],
)
async def test_a_failed_handshake_closes_the_connection(
    response: bytes | None, error: type[Exception], loopback_server: LoopbackServer
) -> None:
    loopback_server.separator = b"\x16"  # the first byte of TLS: a handshake
    loopback_server.responses = [] if response is None else [response]
    async with await loopback_server.start():
        with pytest.raises(error):
            await downloader(resolve=resolving(["1.1.1.1"]), timeout=0.3).download(
                "https://images.stylespire.com/x", no_limit
            )
        assert [sock.fileno() for sock in loopback_server.sockets] == [-1]
