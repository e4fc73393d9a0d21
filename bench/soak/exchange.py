"""One request, and what came of it: `ok`, a code of the service's errors, or a word for what is neither."""

import asyncio
import io
import zlib

import httpx
from PIL import Image

from bench.soak.traffic import BROKEN_OFF, LEFT, LOST, Request
from serving.responses import STATUSES

# A 200 whose picture is not whole or not as large as its headers say; whose bytes are not those that the same request got before;
# and an answer in no shape that the service promises.
BROKEN_PICTURE, OTHER_BYTES, NO_SUCH_ANSWER = "broken_picture", "other_bytes", "no_such_answer"

_STATUSES = {error.code: status for error, status in STATUSES.items()}

# Seconds without a byte: far beyond the service's own deadline.
_TIMEOUT = 60.0


class Client:
    """Sends requests to the service at `url`, and remembers what pictures it got."""

    def __init__(self, url: str) -> None:
        # Idle connections are given up before the service does (5 s), so that none ends just as it is used.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
        self._http = httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT, limits=limits, trust_env=False
        )
        self._checksums: dict[str, int] = {}

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, request: Request) -> str:
        """What came of it."""
        response = None
        body = bytearray()
        try:
            async with (
                asyncio.timeout(request.patience),
                self._http.stream(request.method, request.path, **request.arguments) as response,
            ):
                async for part in response.aiter_raw():
                    body += part
                    await asyncio.sleep(request.pause)
        except TimeoutError:
            return LEFT
        except httpx.TransportError:
            return LOST if response is None else BROKEN_OFF
        return self._judge(request, response, bytes(body))

    def _judge(self, request: Request, response: httpx.Response, body: bytes) -> str:
        if response.status_code != 200:
            return _error_code(response.status_code, body)
        if not response.headers["Content-Type"].startswith("image/"):
            return "ok"
        if not _is_whole(
            body, (int(response.headers["X-Width"]), int(response.headers["X-Height"]))
        ):
            return BROKEN_PICTURE
        checksum = zlib.crc32(body)
        return (
            "ok" if self._checksums.setdefault(request.what, checksum) == checksum else OTHER_BYTES
        )


class KeptConnection:
    """One connection that is kept, and asked for the service's health again and again; opened anew only once it was lost."""

    request = Request("kept connection", "/health", frozenset({"ok"}), "/health", method="GET")

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> "KeptConnection":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    async def send(self) -> str:
        """`ok`, or LOST if the connection was closed or reset."""
        try:
            if self._connection is None:
                self._connection = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._connection
            writer.write(b"GET /health HTTP/1.1\r\nHost: service\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(b'{"status":"ok"}'))
        except (OSError, asyncio.IncompleteReadError):
            self._connection = None
            return LOST
        return "ok" if head.startswith(b"HTTP/1.1 200 ") else NO_SUCH_ANSWER


def _error_code(status: int, body: bytes) -> str:
    try:
        code = str(httpx.Response(status, content=body).json()["code"])
    except (ValueError, KeyError, TypeError):
        return NO_SUCH_ANSWER
    return code if _STATUSES.get(code) == status else NO_SUCH_ANSWER


def _is_whole(picture: bytes, size: tuple[int, int]) -> bool:
    """By its header and, of a PNG, by the checksums of its chunks: decoding all would take the processor from the service."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.verify()
            return image.size == size
    except Exception:  # Pillow raises almost anything on what it dislikes
        return False
