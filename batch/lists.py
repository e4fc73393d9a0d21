"""Lists of sources: one per line of a text file, or in a column of CSV, JSONL or Parquet.

A list is read as a stream, so it may have any length.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from batch.errors import UsageError

# The columns with the source, unless another one is named: the first one that a list has.
SOURCE_COLUMNS = ("source", "image_url", "url", "path", "file", "image")
# The column with the name of the output, if a list has one.
OUTPUT_COLUMN = "output"

_BATCH_ROWS = 10_000


class Entry(NamedTuple):
    """A line of a list: a path or a URL, and the name of the output if the list says it."""

    source: str
    output: str | None = None


def is_list(path: Path) -> bool:
    """Return whether a path has the suffix of a list."""
    return path.suffix.lower() in _READERS


def read_list(path: Path, column: str | None = None) -> Iterator[Entry]:
    """Yield the entries of a list, whose sources are in `column` if it is given.

    Raises UsageError if the list cannot be read, or has no such column.
    """
    try:
        yield from _READERS[path.suffix.lower()](path, column)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(f"The list {path} cannot be read: {exc}.") from exc


def _read_text(path: Path, column: str | None) -> Iterator[Entry]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            text = line.strip()
            if text and not text.startswith("#"):
                yield Entry(text)


def _read_csv(path: Path, column: str | None) -> Iterator[Entry]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        name = _column(path, rows.fieldnames or (), column)
        yield from (_entry(row, name) for row in rows if row.get(name))


def _read_jsonl(path: Path, column: str | None) -> Iterator[Entry]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as exc:
                raise UsageError(f"Line {number} of {path} is not JSON.") from exc
            if isinstance(row, str):
                yield Entry(row)
            elif isinstance(row, dict):
                yield _entry(row, _column(path, row, column))
            else:
                raise UsageError(f"Line {number} of {path} is neither an object nor a string.")


def _read_parquet(path: Path, column: str | None) -> Iterator[Entry]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as exc:
        raise UsageError("Parquet lists need pyarrow: pip install pyarrow.") from exc
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = [_column(path, names, column), *({OUTPUT_COLUMN} & {*names})]
            for rows in file.iter_batches(_BATCH_ROWS, columns=wanted):
                yield from (_entry(row, wanted[0]) for row in rows.to_pylist() if row[wanted[0]])
    except ArrowException as exc:
        raise UsageError(f"The list {path} is not Parquet.") from exc


_READERS = {
    ".txt": _read_text,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}


def _column(path: Path, names: Iterable[str], wanted: str | None) -> str:
    candidates = SOURCE_COLUMNS if wanted is None else (wanted,)
    known = set(names)
    for name in candidates:
        if name in known:
            return name
    listed = " or ".join(candidates)
    raise UsageError(f"The list {path} has no column {listed}; name another one with --column.")


def _entry(row: dict[str, Any], name: str) -> Entry:
    output = row.get(OUTPUT_COLUMN)
    return Entry(str(row[name]), str(output) if output else None)
