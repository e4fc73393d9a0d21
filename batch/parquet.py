"""Rows of a manifest <-> a file of Parquet, whose columns have the same types in every file."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from batch.errors import UsageError

PART_SUFFIX = ".parquet"
MEDIA_TYPE = "application/vnd.apache.parquet"

_TEXTS = ("source", "output", "version", "status", "code", "message", "media_type", "sha256")
_NUMBERS = ("width", "height", "parts", "source_pixels", "bytes", "source_bytes", "attempts")
_NAMES = ("options", "model", "finished")
_BOX = ("left", "top", "width", "height")
_STEPS = ("read", "decode", "segment", "select", "encode", "write")


def import_pyarrow() -> Any:
    """Return pyarrow with its readers of Parquet. Raises UsageError if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise UsageError("Parquet needs pyarrow: pip install pyarrow.") from exc
    return pyarrow


def encode(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return a file with rows; a field that a row lacks is null.

    Raises UsageError if pyarrow is missing, or if a name is not Unicode.
    """
    pyarrow = import_pyarrow()
    text, number, share = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    schema = pyarrow.schema(
        [
            *((name, text) for name in _TEXTS),
            *((name, number) for name in _NUMBERS),
            ("subject", pyarrow.struct([(name, number) for name in _BOX])),
            ("confidence", share),
            ("seconds", pyarrow.struct([(name, share) for name in _STEPS])),
            *((name, text) for name in _NAMES),
        ]
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([*rows], schema), file)
    return file.getvalue()


def decode(file: Path | io.BytesIO) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, without the steps that were not taken. Raises UsageError."""
    pyarrow = import_pyarrow()
    try:
        rows = pyarrow.parquet.read_table(file).to_pylist()
        for row in rows:
            seconds = (row["seconds"] or {}).items()
            row["seconds"] = {step: took for step, took in seconds if took is not None}
    except (OSError, KeyError, pyarrow.ArrowException) as exc:
        raise UsageError(f"The manifest {file} cannot be read: {exc}.") from exc
    yield from rows
