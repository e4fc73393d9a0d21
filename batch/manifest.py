"""The manifest: a JSON object per line for each image, in the order in which they finished.

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
from typing import Any, Literal, NamedTuple

from batch.errors import RunStopped, UsageError
from batch.index import DiskIndex, digest

Row = dict[str, Any]
Status = Literal["done", "failed"]

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


class Manifest:
    """A manifest that is open for writing, by one run at a time. Threads may share it."""

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        """Open a manifest, or make it, and remember its rows and those of `others`.

        A last line that a crash has torn is cut off. Raises UsageError.
        """
        self.path = path
        self._lock = threading.Lock()
        self._states = DiskIndex()
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
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._file)
            raise UsageError(f"Another run is writing to {path}; wait for its end.") from exc
        for known in (*others, path):
            for row in read_rows(known):
                work = Work(row["version"] or row["source"], row["options"], row["model"])
                self._states[row["output"]] = work.state(row["status"])
        self._mend()

    def status(self, output: str, work: Work) -> Status | None:
        """Return what the last row of an output says of this work; None if it is other work."""
        state = self._states.get(output)
        for status in ("done", "failed"):
            if state == work.state(status):
                return status
        return None

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


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a manifest. Raises UsageError if it is not one."""
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


def last_rows(paths: Iterable[Path]) -> dict[str, Row]:
    """Return the last row of each output, in the order of the last rows."""
    rows: dict[str, Row] = {}
    for path in paths:
        for row in read_rows(path):
            rows.pop(row["output"], None)
            rows[row["output"]] = row
    return rows
