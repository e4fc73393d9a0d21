"""An item's source -> bytes: a file, a URL through the service's guard, or an object of a store."""

import asyncio
import os
import stat
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from batch.names import scheme_of
from batch.sources import WEB_SCHEMES
from batch.stores import Store
from pipeline.errors import SourceTooLarge, SourceUnreachable
from pipeline.fetch.url import HostPort

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What a source may be: bytes, seconds for a download, and private hosts that are allowed."""

    max_bytes: int = 22_000_000
    seconds: float = 10.0
    allowed_private_hosts: Collection[HostPort] = ()


class Reader:
    """Reads sources for many threads at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._web: _Web | None = None

    def version(self, source: str) -> str:
        """Return what changes with the content of a source; nothing is known of a URL.

        Raises SourceUnreachable.
        """
        scheme = scheme_of(source)
        if scheme in WEB_SCHEMES:
            return ""
        if scheme:
            return Store(source).version()
        try:
            found = os.stat(source)
        except (OSError, ValueError) as exc:
            raise _unreadable(exc) from exc
        return f"{found.st_size}-{found.st_mtime_ns}"

    def read(self, source: str) -> bytes:
        """Return the bytes of a source, 0 to `max_bytes` of them.

        Raises what Downloader.download raises for a URL, and SourceTooLarge, SourceTimeout and
        SourceUnreachable for anything else.
        """
        scheme = scheme_of(source)
        if scheme in WEB_SCHEMES:
            return self._start_web().download(source)
        if scheme:
            return Store(source).read(self._limits.max_bytes, self._limits.seconds)
        return _read_file(source, self._limits.max_bytes)

    def close(self) -> None:
        """Abandon pending lookups."""
        if self._web is not None:
            self._web.close()

    def _start_web(self) -> "_Web":
        with self._lock:
            if self._web is None:
                self._web = _Web(self._limits)
            return self._web


class _Web:
    """The service's downloader, on an event loop in a thread of its own."""

    def __init__(self, limits: Limits) -> None:
        # Only URLs need these 20 MB.
        from pipeline.fetch.download import Downloader

        self._downloader: Downloader = Downloader(
            max_bytes=limits.max_bytes,
            timeout=limits.seconds,
            allowed_private_hosts=limits.allowed_private_hosts,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def download(self, url: str) -> bytes:
        return self._run(self._downloader.download(url, _no_limit))

    def close(self) -> None:
        self._run(self._downloader.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: "Coroutine[Any, Any, T]") -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _no_limit(_: int) -> None:
    """Reserve nothing: the number of images in work bounds the memory."""


def _read_file(source: str, max_bytes: int) -> bytes:
    try:
        found = os.stat(source)
        # A pipe or a device may never end.
        if not stat.S_ISREG(found.st_mode):
            raise SourceUnreachable("The source is not a regular file.")
        if found.st_size > max_bytes:
            raise SourceTooLarge(max_bytes)
        with open(source, "rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as exc:
        raise _unreadable(exc) from exc
    if len(content) > max_bytes:
        raise SourceTooLarge(max_bytes)
    return content


def _unreadable(exc: Exception) -> SourceUnreachable:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "its name is invalid"
    return SourceUnreachable(f"The source could not be read: {reason}.")
