"""Which addresses are connected to, in which order; no socket is left open."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address

import pytest

from pipeline.errors import SourceUnreachable, URLNotAllowed
from pipeline.fetch import network
from pipeline.fetch.addresses import Address
from pipeline.fetch.network import GuardedNetwork, SocketStream, connect_to_first, interleave

FOUR, SIX = ["1.1.1.1", "1.0.0.1", "8.8.8.8"], ["2606:4700::1", "2606:4700::2", "2606:4700::3"]


def addresses(*texts: str) -> list[Address]:
    return [ip_address(text) for text in texts]


@pytest.mark.parametrize(
    ("given", "ordered"),
    [
        ([], []),
        (FOUR, FOUR),
        ([*SIX, FOUR[0]], [SIX[0], FOUR[0], SIX[1], SIX[2]]),
        ([FOUR[0], *SIX], [FOUR[0], SIX[0], SIX[1], SIX[2]]),
        ([SIX[0], *FOUR, SIX[1]], [SIX[0], FOUR[0], SIX[1], FOUR[1], FOUR[2]]),
    ],
)
def test_families_alternate_and_the_first_address_stays_first(
    given: list[str], ordered: list[str]
) -> None:
    assert interleave(addresses(*given)) == addresses(*ordered)


Dial = Callable[[str], Awaitable[None]]


class Dials:
    """Records each attempt to connect, and its socket. None leaves the machine."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.sockets: list[socket.socket] = []
        self.dial: Dial

    def open(self) -> list[str]:
        """Return the addresses whose sockets are open."""
        return [
            address
            for address, sock in zip(self.begun, self.sockets, strict=True)
            if sock.fileno() >= 0
        ]

    async def until_begun(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.begun) < number:
                await asyncio.sleep(0)


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> Dials:
    """Every attempt to connect ends as the test's `dial` of its address does."""
    made = Dials()

    async def sock_connect(_: object, sock: socket.socket, address: tuple[str, int]) -> None:
        made.begun.append(address[0])
        made.sockets.append(sock)
        await made.dial(address[0])

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", sock_connect)
    return made


async def never(_: str) -> None:
    await asyncio.Event().wait()


async def refuse(_: str) -> None:
    raise ConnectionRefusedError


async def accept(_: str) -> None:
    await asyncio.sleep(0)


async def test_an_address_that_does_not_answer_is_overtaken_by_the_next(dials: Dials) -> None:
    async def dial(address: str) -> None:
        await (never if address == SIX[0] else accept)(address)

    dials.dial = dial
    # The delay is 0.25 s; the system would give up after two minutes.
    async with asyncio.timeout(3):
        won = await connect_to_first(addresses(SIX[0], *FOUR), 80)
    await asyncio.sleep(0.01)
    assert dials.begun == [SIX[0], FOUR[0]]
    assert won is dials.sockets[1]
    assert dials.open() == [FOUR[0]]
    won.close()


async def test_the_next_attempt_starts_after_the_delay(
    dials: Dials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "ATTEMPT_DELAY", 60)
    dials.dial = never
    connecting = asyncio.ensure_future(connect_to_first(addresses(*FOUR), 80))
    await asyncio.sleep(0.05)
    assert dials.begun == FOUR[:1]
    connecting.cancel()
    await asyncio.wait([connecting])


async def test_after_a_refusal_the_next_attempt_starts_at_once(
    dials: Dials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "ATTEMPT_DELAY", 60)
    dials.dial = refuse
    async with asyncio.timeout(10):
        with pytest.raises(SourceUnreachable) as caught:
            await connect_to_first(addresses(*FOUR, *SIX), 80)
    assert dials.begun == [text for pair in zip(FOUR, SIX, strict=True) for text in pair]
    assert dials.open() == []
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def connect_together(
    dials: Dials, monkeypatch: pytest.MonkeyPatch
) -> tuple[asyncio.Future[socket.socket], asyncio.Event]:
    """Begin to connect to several addresses, all of which accept once the event is set."""
    monkeypatch.setattr(network, "ATTEMPT_DELAY", 0.01)
    together = asyncio.Event()

    async def dial(_: str) -> None:
        await together.wait()

    dials.dial = dial
    return asyncio.ensure_future(connect_to_first(addresses(*FOUR), 80)), together


async def test_one_of_several_simultaneous_connections_is_kept(
    dials: Dials, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, together = connect_together(dials, monkeypatch)
    await dials.until_begun(3)
    together.set()
    won = await connecting
    await asyncio.sleep(0.01)
    assert won in dials.sockets
    assert len(dials.open()) == 1
    won.close()


@pytest.mark.parametrize("steps", range(5))
async def test_a_cancelled_attempt_leaves_no_socket(
    dials: Dials, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """It is cancelled before, while and after it connects."""
    connecting, together = connect_together(dials, monkeypatch)
    await dials.until_begun(2)
    together.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.wait([connecting])
    await asyncio.sleep(0.01)
    if not connecting.cancelled():
        connecting.result().close()
    assert dials.open() == []


def guarded(
    *answers: str, allowed: tuple[str, int] = ("", 0)
) -> tuple[GuardedNetwork, list[tuple[str, int]]]:
    """Return a network whose look-ups return `answers`, and the list of look-ups."""
    asked = []

    async def resolve(host: str, port: int) -> list[Address]:
        asked.append((host, port))
        return addresses(*answers)

    return GuardedNetwork(resolve, [allowed]), asked


async def test_a_name_is_looked_up_once_and_only_its_addresses_are_connected_to(
    dials: Dials,
) -> None:
    dials.dial = refuse
    guard, asked = guarded("1.1.1.1", "2606:4700::1", "64:ff9b::808:808")
    with pytest.raises(SourceUnreachable):
        await guard.connect_tcp("images.stylespire.com", 443)
    assert asked == [("images.stylespire.com", 443)]
    assert dials.begun == ["1.1.1.1", "2606:4700::1", "64:ff9b::808:808"]


@pytest.mark.parametrize(
    "answers",
    [
        ["10.0.0.1"],
        ["1.1.1.1", "10.0.0.1"],
        ["::1", "1.1.1.1"],
        ["1.1.1.1", "64:ff9b::a00:1"],
        ["fe80::1%eth0"],
    ],
)
async def test_a_name_with_one_address_that_is_not_public_is_refused(
    dials: Dials, answers: list[str]
) -> None:
    with pytest.raises(URLNotAllowed):
        await guarded(*answers)[0].connect_tcp("images.stylespire.com", 80)
    assert dials.begun == []


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::1", "64:ff9b::a9fe:a9fe"])
async def test_an_address_is_checked_without_a_look_up(dials: Dials, host: str) -> None:
    guard, asked = guarded("1.1.1.1")
    with pytest.raises(URLNotAllowed):
        await guard.connect_tcp(host, 80)
    assert not asked
    assert not dials.begun


async def test_an_allowed_host_is_allowed_at_its_port_only(dials: Dials) -> None:
    dials.dial = refuse
    guard, _ = guarded("10.0.0.1", allowed=("minio", 9000))
    with pytest.raises(SourceUnreachable):
        await guard.connect_tcp("minio", 9000)
    with pytest.raises(URLNotAllowed):
        await guard.connect_tcp("minio", 80)
    assert dials.begun == ["10.0.0.1"]


async def test_a_name_without_addresses_is_unreachable() -> None:
    with pytest.raises(SourceUnreachable):
        await guarded()[0].connect_tcp("images.stylespire.com", 80)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    """A stream and the socket at its other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    yield SocketStream(ours), theirs
    ours.close()
    theirs.close()


async def test_a_socket_that_always_has_bytes_does_not_block_the_event_loop(
    pair: tuple[SocketStream, socket.socket],
) -> None:
    stream, theirs = pair
    theirs.send(b"x" * 100)
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    for _ in range(100):
        assert await stream.read(1) == b"x"
    ticking.cancel()
    assert turns >= 100


async def test_a_stream_is_closed_at_once(
    pair: tuple[SocketStream, socket.socket],
) -> None:
    stream, theirs = pair
    reading = asyncio.ensure_future(stream.read(1))
    await asyncio.sleep(0.01)
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    await stream.aclose()
    assert theirs.recv(1) == b""
