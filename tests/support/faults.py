"""A web server on loopback that breaks HTTP in every way: one fault per path, with its code."""

import asyncio
import contextlib
import gzip
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(10_000_000))


def sends(*parts: bytes) -> Fault:
    """Send these bytes and close."""

    async def send(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return send


def for_ever(head: bytes, part: bytes, pause: float = 0) -> Fault:
    """Send `head`, then `part` again and again, forever."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return send


def stalls(head: bytes) -> Fault:
    """Send `head`, then nothing; do not close."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await asyncio.Event().wait()

    return send


def resets(head: bytes) -> Fault:
    """Send `head`, then reset the connection."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )

    return send


def with_length(length: bytes, body: bytes) -> bytes:
    """Return a response that declares a length."""
    return OK + b"Content-Length: " + length + b"\r\n\r\n" + body


def with_status(status: int, *headers: bytes) -> bytes:
    """Return an empty response."""
    return (
        b"HTTP/1.1 %d X\r\n" % status
        + b"".join(header + b"\r\n" for header in headers)
        + b"Content-Length: 0\r\n\r\n"
    )


def redirects(status: int, location: bytes) -> Fault:
    """Redirect to `location`."""
    return sends(with_status(status, b"Location: " + location))


def encoded_as(coding: bytes, body: bytes) -> bytes:
    """Return a response with a Content-Encoding."""
    return (
        OK + b"Content-Encoding: " + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


# Each path's fault, and the code that the download must end with.
FAULTS: dict[str, tuple[Fault, str]] = {
    "drip": (for_ever(with_length(b"100000", b""), b"\xff", 0.05), "source_timeout"),
    "drip_in_headers": (for_ever(OK + b"X: ", b"x", 0.05), "source_timeout"),
    "drip_of_chunks": (for_ever(CHUNKED, b"1\r\nx\r\n", 0.05), "source_timeout"),
    "stall_before_headers": (stalls(b""), "source_timeout"),
    "stall_in_headers": (stalls(OK), "source_timeout"),
    "stall_in_body": (stalls(with_length(b"100", b"x")), "source_timeout"),
    "endless_headers": (for_ever(OK, b"X-More: " + b"x" * 1000 + b"\r\n"), "source_unreachable"),
    "endless_header_line": (for_ever(OK + b"X-More: ", b"x" * 1000), "source_unreachable"),
    "endless_status_line": (for_ever(b"HTTP/1.1 200 ", b"x" * 1000), "source_unreachable"),
    "endless_interim_answers": (
        for_ever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
        "source_unreachable",
    ),
    "endless_body": (
        for_ever(OK + b"Connection: close\r\n\r\n", b"x" * 65_536),
        "source_too_large",
    ),
    "endless_chunks": (
        for_ever(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
        "source_too_large",
    ),
    "endless_chunk_extension": (for_ever(CHUNKED + b"1;x=", b"x" * 1000), "source_unreachable"),
    "endless_trailers": (
        for_ever(CHUNKED + b"1\r\nx\r\n0\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"),
        "source_unreachable",
    ),
    "chunks_of_padding": (
        for_ever(CHUNKED, b"1;" + b"x" * 2000 + b"\r\nx\r\n"),
        "source_too_large",
    ),
    "chunk_of_no_size": (sends(CHUNKED, b"x\r\n"), "source_unreachable"),
    "chunks_cut_off": (sends(CHUNKED, b"5\r\nxxx"), "source_unreachable"),
    "length_over_the_limit": (
        sends(with_length(b"1000000000000", b"x" * 65_536)),
        "source_too_large",
    ),
    "length_of_5000_digits": (sends(with_length(b"9" * 5000, b"x")), "source_unreachable"),
    "length_longer_than_the_body": (
        sends(with_length(b"1000", b"only this")),
        "source_unreachable",
    ),
    "length_below_zero": (sends(with_length(b"-1", b"x")), "source_unreachable"),
    "length_in_words": (sends(with_length(b"ten", b"x")), "source_unreachable"),
    "two_lengths": (
        sends(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        "source_unreachable",
    ),
    "close_at_once": (sends(), "source_unreachable"),
    "close_in_headers": (sends(OK), "source_unreachable"),
    "reset_at_once": (resets(b""), "source_unreachable"),
    "reset_in_headers": (resets(OK), "source_unreachable"),
    "reset_in_body": (resets(with_length(b"100", b"x" * 50)), "source_unreachable"),
    "gzip_bomb": (sends(encoded_as(b"gzip", BOMB)), "unsupported_encoding"),
    "stacked_gzip_bomb": (
        sends(encoded_as(b"gzip, gzip", gzip.compress(BOMB))),
        "unsupported_encoding",
    ),
    "two_encodings": (
        sends(
            OK + b"Content-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx"
        ),
        "unsupported_encoding",
    ),
    "gzip_in_transfer": (
        sends(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        "source_unreachable",
    ),
    "status_206": (sends(with_status(206, b"Content-Range: bytes 0-1/2")), "source_http_error"),
    "status_204": (sends(b"HTTP/1.1 204 X\r\n\r\n"), "source_http_error"),
    "status_304": (sends(with_status(304)), "source_http_error"),
    # The downloader does not ask for another protocol.
    "status_101": (sends(b"HTTP/1.1 101 X\r\nUpgrade: noise\r\n\r\n"), "source_unreachable"),
    "status_302_to_nowhere": (sends(with_status(302)), "source_http_error"),
    "status_599": (sends(with_status(599)), "source_unreachable"),
    "status_of_words": (sends(b"HTTP/1.1 OK\r\n\r\n"), "source_unreachable"),
    "redirect_to_itself": (redirects(302, b"/redirect_to_itself"), "too_many_redirects"),
    "redirect_to_nothing": (redirects(302, b""), "too_many_redirects"),
    "redirect_between_two": (redirects(307, b"/redirect_back"), "too_many_redirects"),
    "redirect_back": (redirects(308, b"/redirect_between_two"), "too_many_redirects"),
    "redirect_to_a_file": (redirects(302, b"file:///etc/passwd"), "invalid_url"),
    "redirect_to_a_script": (redirects(302, b"javascript:alert(1)"), "invalid_url"),
    "redirect_to_gopher": (redirects(302, b"gopher://127.0.0.1:6379/_INFO"), "invalid_url"),
    "redirect_too_long": (sends(with_status(302, b"Location: /" + b"x" * 3000)), "invalid_url"),
    "redirect_to_loopback": (redirects(302, b"http://127.0.0.1/"), "url_not_allowed"),
    "redirect_to_metadata": (redirects(301, b"http://169.254.169.254/latest/"), "url_not_allowed"),
    "redirect_to_a_mapped_address": (
        redirects(303, b"http://[::ffff:10.0.0.1]/"),
        "url_not_allowed",
    ),
    "redirect_to_a_number": (redirects(302, b"http://2130706433/"), "url_not_allowed"),
    "redirect_to_an_odd_port": (redirects(302, b"http://1.1.1.1:22/"), "url_not_allowed"),
    "redirect_to_a_user": (redirects(302, b"http://me:you@1.1.1.1/"), "url_not_allowed"),
    "redirect_without_a_scheme": (redirects(302, b"//localhost/"), "url_not_allowed"),
    "noise": (sends(bytes(range(256)) * 40), "source_unreachable"),
    "http_0_9": (sends(b"<html>a page, and no header</html>"), "source_unreachable"),
    "http_2": (sends(b"\x00\x00\x12\x04" + bytes(20)), "source_unreachable"),
    "ssh": (sends(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "source_unreachable"),
    "header_with_a_null": (
        sends(OK + b"X: a\0b\r\nContent-Length: 1\r\n\r\nx"),
        "source_unreachable",
    ),
    "header_without_a_name": (
        sends(OK + b": x\r\nContent-Length: 1\r\n\r\nx"),
        "source_unreachable",
    ),
}


@dataclass
class FaultySource:
    """The running server: its port, its connections by path, and those still open."""

    faults: dict[str, Fault]
    port: int = 0
    open_connections: set[str] = field(default_factory=set)
    connections: Counter[str] = field(default_factory=Counter)

    def url(self, name: str) -> str:
        """Return the URL of a fault."""
        return f"http://127.0.0.1:{self.port}/{name}"

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, until the fault has happened and the client has closed."""
        # At the end of the loop, cancellation ends it too: the server of Python 3.11 would print a
        # traceback.
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            request = await reader.readuntil(b"\r\n\r\n")
            name = request.split(b" ")[1][1:].partition(b"?")[0].decode()
            self.connections[name] += 1
            self.open_connections.add(name)
            send = asyncio.ensure_future(self.faults[name](writer))
            gone = asyncio.ensure_future(reader.read())  # the client sends nothing more
            await asyncio.wait((send, gone), return_when=asyncio.FIRST_COMPLETED)
            if send.done() and not send.cancelled() and send.exception() is None:
                writer.close()
            with contextlib.suppress(ConnectionError):
                await gone
            send.cancel()
            await asyncio.gather(send, return_exceptions=True)
            self.open_connections.discard(name)
        writer.close()


@asynccontextmanager
async def faulty_source(extra: dict[str, Fault] | None = None) -> AsyncIterator[FaultySource]:
    """Serve the faults in this event loop."""
    source = FaultySource({**{name: fault for name, (fault, _) in FAULTS.items()}, **(extra or {})})
    server = await asyncio.start_server(source.respond, "127.0.0.1", 0)
    source.port = server.sockets[0].getsockname()[1]
    try:
        yield source
    finally:
        server.close()


@contextlib.contextmanager
def faulty_source_in_a_thread(extra: dict[str, Fault] | None = None) -> Iterator[FaultySource]:
    """Serve the faults in a thread, for tests that are not async."""
    ready, sources, loop = threading.Event(), [], asyncio.new_event_loop()
    end = asyncio.Event()

    async def run() -> None:
        async with faulty_source(extra) as source:
            sources.append(source)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield sources[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
