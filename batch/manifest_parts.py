"""The manifest of a cluster: a folder, or a place in a store, to which each run adds files.

A store cannot append to an object, so rows are gathered and written as another part, a file of
Parquet. A run that is killed loses the rows that it has gathered: their images are processed again.
"""

import io
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from batch.errors import ImageFailed, RunStopped
from batch.manifest import Row, index_rows, lock, read_rows
from batch.names import scheme_of
from batch.parquet import MEDIA_TYPE, PART_SUFFIX, decode, encode, import_pyarrow
from batch.stores import Store
from batch.targets import open_target

# A million rows are a thousand parts of 100 kB, if a cluster processes 100 images a second.
_PART_ROWS, _PART_SECONDS = 1_000, 10.0

# A part is read within this time, and has at most so many bytes.
_READ_SECONDS, _MAX_PART_BYTES = 120.0, 100_000_000


class ManifestInParts:
    """A manifest that is open for writing, by one run at a time and one thread of it."""

    def __init__(self, place: str, others: Iterable[Path] = ()) -> None:
        """Open a manifest, or make it, and remember its rows and those of `others`.

        Raises UsageError. Nothing keeps two runs from writing to one place in a store.
        """
        import_pyarrow()
        self._others = [*others]
        self._target = open_target(place)
        self._store = Store(place) if scheme_of(place) else None
        self._file: int | None = None
        if (folder := self._target.folder) is not None:
            self._file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            lock(self._file, folder)
        self._gathered: list[Row] = []
        self._since = 0.0
        self._states = index_rows(self.rows())

    def state(self, output: str) -> int | None:
        """Return the state of the last row of an output, for `Work.status`; None without one."""
        return self._states.get(output)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that this manifest was opened with, and those that were written."""
        for path in self._others:
            yield from read_rows(path)
        if (folder := self._target.folder) is not None:
            for path in sorted(folder.glob(f"*{PART_SUFFIX}")):
                yield from read_rows(path)
        elif self._store is not None and self._store.exists():
            for url in sorted(part.url for part in self._store.walk()):
                yield from decode(io.BytesIO(Store(url).read(_MAX_PART_BYTES, _READ_SECONDS)))

    def append(self, row: Row) -> None:
        """Add a row, and write a part if there is enough for it. Raises RunStopped."""
        now = time.monotonic()
        self._since = self._since if self._gathered else now
        self._gathered.append(row)
        if len(self._gathered) >= _PART_ROWS or now - self._since > _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that were gathered. Raises RunStopped."""
        if not self._gathered:
            return
        name = f"{time.time_ns():020}{PART_SUFFIX}"
        try:
            self._target.write(name, encode(self._gathered), MEDIA_TYPE)
        except ImageFailed as exc:
            raise RunStopped(f"The manifest cannot be written: {exc}") from exc
        self._gathered = []

    def close(self) -> None:
        """Write what was gathered, and end. Raises RunStopped."""
        try:
            self.flush()
        finally:
            self._states.close()
            if self._file is not None:
                os.close(self._file)
