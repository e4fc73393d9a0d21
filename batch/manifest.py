"""The manifest: a JSON object per line for each image, in the order in which they finished.

`manifest_parts.py` is another one, in files of Parquet, for runs on a cluster.

A row is written after its output is there, so an image without a row was not done. The last row of
an output counts. Fields of a row: source, version (of the source's content), output, status (`done`
or `failed`), code, options, model, finished (UTC), attempts, seconds (by step) and source_bytes; of
a failure, message; of an output, bytes, sha256 and the fields of `Cutout`.
"""

import fcntl
import json
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from batch.errors import RunStopped, UsageError
from batch.index import DiskIndex, digest
from batch.parquet import PART_SUFFIX, decode

Row = dict[str, Any]
Status = Literal["done", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

_CHUNK_BYTES = 1 << 16


class Work(NamedTuple):
    """What makes two results the same: the source's content, the options and the model.

    `content` is the source's version, or the source itself if nothing is known of its version. A
    tree may therefore be moved.
    """

    content: str
    options: str
    model: str

    def state(self, status: Status) -> int:
        """Return the number that stands for a status of this work."""
        return digest("\0".join((status, *self)))

    def status(self, state: int | None) -> Status | None:
        """Return the status that a number stands for; None if it is that of other work."""
        for status in STATUSES:
            if state == self.state(status):
                return status
        return None


class Manifest:
    """A manifest that is open for writing, by one run at a time. Threads may share it."""

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        """Open a manifest, or make it, and remember its rows and those of `others`.

        A last line that a crash has torn is cut off. Raises UsageError.
        """
        self.path = path
        self._lock = threading.Lock()
        self._paths = [*others, path]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as exc:
            raise UsageError(
                f"The manifest {path} cannot be written: {exc.strerror}; name another one with "
                "--manifest."
            ) from exc
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise UsageError(f"The manifest {path} is not a regular file; name another one.")
        lock(self._file, path)
        self._states = index_rows(self.rows())
        self._mend()

    def state(self, output: str) -> int | None:
        """Return the state of the last row of an output, for `Work.status`; None without one."""
        return self._states.get(output)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that this manifest was opened with, and those that were added."""
        for path in self._paths:
            yield from read_rows(path)

    def append(self, row: Row) -> None:
        """Write a row. Raises RunStopped if that is impossible."""
        line = (json.dumps(row) + "\n").encode()
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._file, line) :]
            except OSError as exc:
                raise RunStopped(
                    f"The manifest {self.path} cannot be written: {exc.strerror}."
                ) from exc

    def close(self) -> None:
        """Close the file, which another run may then open."""
        os.close(self._file)
        self._states.close()

    def _mend(self) -> None:
        size = end = os.fstat(self._file).st_size
        while end > 0:
            start = max(0, end - _CHUNK_BYTES)
            newline = os.pread(self._file, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            if os.pread(self._file, 1, end) != b"{":
                raise UsageError(f"The end of {self.path} is not a row of a manifest.")
            os.ftruncate(self._file, end)


def lock(file: int, path: Path) -> None:
    """Lock an open file until it is closed. Raises UsageError, and closes it, if a run has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(file)
        raise UsageError(f"Another run is writing to {path}; wait for its end.") from exc


def index_rows(rows: Iterable[Row]) -> DiskIndex:
    """Return the state of each output's last row."""
    states = DiskIndex()
    for row in rows:
        work = Work(row["version"] or row["source"], row["options"], row["model"])
        states[row["output"]] = work.state(row["status"])
    return states


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a manifest. Raises UsageError if it is not one."""
    if path.suffix == PART_SUFFIX:
        yield from decode(path)
        return
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):
                    return  # another run is writing this line
                row = json.loads(line)
                if not {"source", "version", "output", "status", "options", "model"} <= row.keys():
                    raise UsageError(f"Line {number} of {path} is not a row of a manifest.")
                yield row
    except (OSError, ValueError, AttributeError) as exc:
        raise UsageError(f"The manifest {path} cannot be read: {exc}.") from exc


def last_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the last row of each output, in the order of the last rows."""
    last: dict[str, Row] = {}
    for row in rows:
        last.pop(row["output"], None)
        last[row["output"]] = row
    return [*last.values()]
