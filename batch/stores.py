"""Object stores by fsspec, an optional extra: s3://, gs://, az:// and what else fsspec knows.

Every error of a store's library is translated here.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from batch.errors import ImageFailed, UsageError
from batch.names import scheme_of
from pipeline.errors import SourceTimeout, SourceTooLarge, SourceUnreachable

# By protocol, the arguments of `pipe_file` that set the content type.
_CONTENT_TYPE: dict[str, Callable[[str], dict[str, Any]]] = {
    "s3": lambda media_type: {"ContentType": media_type},
    "gs": lambda media_type: {"content_type": media_type},
    "abfs": lambda media_type: {"content_settings": {"content_type": media_type}},
}


class Found(NamedTuple):
    """An object: its URL, its name relative to where it was found, and its version."""

    url: str
    relative: str
    version: str


class Store:
    """A place in a store. Threads may share it. Raises UsageError if its library is missing."""

    def __init__(self, url: str) -> None:
        """Connect to the store of `url`. Credentials are those that its library finds."""
        try:
            from fsspec.core import url_to_fs

            # A cache of listings would keep every object of a bucket in memory.
            self._fs, self._path = url_to_fs(url, use_listings_cache=False)
        except ImportError as exc:
            raise UsageError(
                f"{scheme_of(url)}:// needs more packages: pip install -r requirements/stores.txt."
            ) from exc
        except ValueError as exc:
            raise UsageError(f"{url} is not a URL of a store.") from exc
        self._url = url.rstrip("/")

    def walk(self) -> Iterator[Found]:
        """Yield the objects under this place, or the object that it is, a folder at a time.

        Raises UsageError.
        """
        root = self._path.strip("/")
        try:
            found = self._fs.info(self._path)
            if found["type"] == "file":
                yield Found(self._url, root.rpartition("/")[2], version_of(found))
                return
            for _, _, files in self._fs.walk(self._path, detail=True):
                for info in files.values():
                    relative = info["name"].strip("/")[len(root) :].lstrip("/")
                    yield Found(f"{self._url}/{relative}", relative, version_of(info))
        except Exception as exc:
            raise UsageError(f"{self._url} cannot be listed: {describe(exc)}.") from exc

    def exists(self) -> bool:
        """Return whether there is an object here, or under this place. Raises UsageError."""
        try:
            return bool(self._fs.exists(self._path))
        except Exception as exc:
            raise UsageError(f"{self._url} cannot be listed: {describe(exc)}.") from exc

    def version(self) -> str:
        """Return what changes with the content of this object. Raises SourceUnreachable."""
        try:
            return version_of(self._fs.info(self._path))
        except Exception as exc:
            raise _unreachable(exc) from exc

    def read(self, max_bytes: int, seconds: float) -> bytes:
        """Return this object. Raises SourceTooLarge, SourceTimeout and SourceUnreachable."""
        try:
            content: bytes = self._call("_cat_file", "cat_file", seconds, end=max_bytes + 1)
        except TimeoutError as exc:
            raise SourceTimeout from exc
        except Exception as exc:
            if self._is_empty():
                return b""  # a range of an empty object cannot be satisfied
            raise _unreachable(exc) from exc
        if len(content) > max_bytes:
            raise SourceTooLarge(max_bytes)
        return content

    def write(self, name: str, content: bytes, media_type: str, seconds: float) -> None:
        """Put an object under this place, in one request. Raises ImageFailed `write_failed`."""
        protocols = (
            (self._fs.protocol,) if isinstance(self._fs.protocol, str) else self._fs.protocol
        )
        set_type = next((_CONTENT_TYPE[one] for one in protocols if one in _CONTENT_TYPE), None)
        arguments = {} if set_type is None else set_type(media_type)
        place = Store(f"{self._url}/{name}")
        try:
            place._call("_pipe_file", "pipe_file", seconds, content, **arguments)
        except Exception as exc:
            raise ImageFailed("write_failed", f"The store refused it: {describe(exc)}.") from exc

    def _call(
        self, awaitable: str, plain: str, seconds: float, *arguments: Any, **options: Any
    ) -> Any:
        """Call a method on this object; only the asynchronous libraries can be timed out."""
        if not self._fs.async_impl:
            return getattr(self._fs, plain)(self._path, *arguments, **options)
        from fsspec.asyn import sync

        method = getattr(self._fs, awaitable)
        return sync(self._fs.loop, method, self._path, *arguments, timeout=seconds, **options)

    def _is_empty(self) -> bool:
        try:
            return int(self._fs.info(self._path)["size"]) == 0
        except Exception:
            return False


def version_of(info: dict[str, Any]) -> str:
    """Return an object's ETag, or its size and time."""
    etag = info.get("ETag") or info.get("etag")
    if etag:
        return str(etag).strip('"')
    times = (info.get(name) for name in ("LastModified", "last_modified", "mtime", "created"))
    changed: Any = next(filter(None, times), "")
    # Some stores tell seconds in a listing, and a datetime of the object itself.
    return f"{info.get('size')}-{changed.timestamp() if hasattr(changed, 'timestamp') else changed}"


def describe(exc: Exception) -> str:
    """Return the first line of what a library says, without its full stop."""
    lines = str(exc).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(exc).__name__


def _unreachable(exc: Exception) -> SourceUnreachable:
    if isinstance(exc, FileNotFoundError):
        return SourceUnreachable("The source does not exist.")
    return SourceUnreachable(f"The source could not be read: {describe(exc)}.")
