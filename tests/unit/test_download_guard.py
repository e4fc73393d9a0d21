"""Only public addresses are connected to, whatever a name resolves to and at every hop."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BackgroundRemovalError, SourceUnreachable, URLNotAllowed
from tests.support.environment import no_limit
from tests.unit.loopback import IMAGE_URL, LoopbackServer, downloader, resolving

Connects = list[tuple[str, int]]


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> Connects:
    """Record and refuse every connection that the process tries to make."""
    made: Connects = []

    async def record(self: Any, sock: socket.socket, address: tuple[str, int]) -> None:
        made.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", record)
    return made


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["1.1.1.1", "10.0.0.1"],
        ["10.0.0.1", "1.1.1.1"],
        ["169.254.169.254"],
        ["::1"],
        ["2606:4700::1", "::ffff:1.1.1.1"],
    ],
)
async def test_a_name_with_a_private_address_is_never_connected_to(
    addresses: list[str], connects: Connects
) -> None:
    for url in ("http://127.0.0.1.nip.io/x.png", "https://images.stylespire.com/x.png"):
        with pytest.raises(URLNotAllowed):
            await downloader(resolve=resolving(addresses)).download(url, no_limit)
    assert connects == []


async def test_only_the_checked_addresses_are_connected_to_in_order(connects: Connects) -> None:
    # A second look-up, which must not happen, would return a private address.
    resolve = resolving(["1.1.1.1", "1.0.0.1"], ["127.0.0.1"])
    with pytest.raises(SourceUnreachable):
        await downloader(resolve=resolve).download(IMAGE_URL, no_limit)
    assert [address[0] for address in connects] == ["1.1.1.1", "1.0.0.1"]


async def test_the_outside_table(data: Path, connects: Connects) -> None:
    """Every URL has its verdict, and a refused one is never connected to."""
    rows = json.loads((data / "ssrf" / "urls.json").read_text())
    wrong = []
    for row in rows:
        connects.clear()
        addresses = ["10.0.0.1"] if row["group"] == "dns-stub" else ["1.1.1.1"]
        try:
            await downloader(resolve=resolving(addresses)).download(row["url"], no_limit)
            verdict = "downloaded"
        except SourceUnreachable:
            verdict = "allowed"  # `connects` refused it
        except BackgroundRemovalError as error:
            verdict = error.code
        if verdict != row["expect"] or bool(connects) != (verdict == "allowed"):
            wrong.append((row["url"], row["expect"], verdict, list(connects)))
    assert rows
    assert not wrong


async def test_each_redirect_looks_the_name_up_and_checks_it_again(
    loopback_server: LoopbackServer,
) -> None:
    loopback_server.responses = [
        b"HTTP/1.1 302 X\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    ] * 2
    resolve = resolving(["1.1.1.1"], ["1.0.0.1"], ["127.0.0.1"])
    async with await loopback_server.start():
        with pytest.raises(URLNotAllowed):
            await downloader(resolve=resolve).download(IMAGE_URL, no_limit)
    assert loopback_server.connects == ["1.1.1.1", "1.0.0.1"]
    assert [request.split(b" ")[1] for request in loopback_server.requests] == [
        b"/x.png",
        b"/again",
    ]
