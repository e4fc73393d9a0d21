"""Where outputs go: a folder or a store. An output is there as a whole or not at all."""

import errno
import os
from pathlib import Path
from typing import Protocol

from batch.errors import ImageFailed, RunStopped, UsageError
from batch.names import scheme_of
from batch.stores import Store

# These concern every output that would follow.
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}

# A put of 20 MB at 3 Mbit/s, and the store's own retries.
_PUT_SECONDS = 120.0


class Target(Protocol):
    """Where outputs go. Threads may share it. `folder` is None for a store."""

    folder: Path | None

    def write(self, name: str, content: bytes, media_type: str) -> None:
        """Write an output, or replace it. Raises ImageFailed, or RunStopped if none can be."""

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return an output. Raises BackgroundRemovalError or OSError."""

    def has(self, name: str) -> bool:
        """Return whether an output is there, as far as that costs nothing."""


class FolderTarget:
    """A folder, which is made if it is missing."""

    def __init__(self, folder: Path) -> None:
        """Raise UsageError if nothing can be written there."""
        self.folder: Path | None = folder
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UsageError(f"The folder {folder} cannot be made: {exc.strerror}.") from exc
        if not os.access(folder, os.W_OK):
            raise UsageError(f"The folder {folder} is read-only.")

    def write(self, name: str, content: bytes, media_type: str) -> None:
        """Write to a temporary name, and rename. The next run replaces what a crash leaves."""
        path = self._folder / name
        unfinished = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                unfinished.write_bytes(content)
                unfinished.replace(path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError as exc:
            if exc.errno in _FATAL:
                raise RunStopped(
                    f"Nothing more can be written to {self._folder}: {exc.strerror}."
                ) from exc
            message = f"The output could not be written: {exc.strerror}."
            raise ImageFailed("write_failed", message) from exc

    def read(self, name: str, max_bytes: int) -> bytes:
        with (self._folder / name).open("rb") as file:
            return file.read(max_bytes)

    def has(self, name: str) -> bool:
        """Return whether the file is there. It is empty if a power cut came before its bytes."""
        try:
            return (self._folder / name).stat().st_size > 0
        except OSError:
            return False


class StoreTarget:
    """A place in an object store: each output is encoded first, and put in one request."""

    def __init__(self, url: str) -> None:
        """Raise UsageError if the store's library is missing."""
        self.folder: Path | None = None
        self._url = url.rstrip("/")
        self._store = Store(url)

    def write(self, name: str, content: bytes, media_type: str) -> None:
        self._store.write(name, content, media_type, _PUT_SECONDS)

    def read(self, name: str, max_bytes: int) -> bytes:
        return Store(f"{self._url}/{name}").read(max_bytes, _PUT_SECONDS)

    def has(self, name: str) -> bool:
        """Trust the manifest: asking would cost a request for each object."""
        return True


def open_target(target: str) -> Target:
    """Return the target that a folder's path or a store's URL names. Raises UsageError."""
    scheme = scheme_of(target)
    if scheme in ("http", "https"):
        raise UsageError(f"Nothing can be written to {target}; name a folder or a store.")
    return StoreTarget(target) if scheme else FolderTarget(Path(target))
