"""Rows as Parquet, and back."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from batch.errors import UsageError
from batch.parquet import decode, encode

DONE: dict[str, Any] = {
    "source": "s3://in/ä.jpg",
    "output": "ä.png",
    "version": "e-tag",
    "status": "done",
    "code": "ok",
    "media_type": "image/png",
    "width": 3,
    "height": 2,
    "subject": {"left": 0, "top": 1, "width": 3, "height": 2},
    "confidence": 0.75,
    "parts": 1,
    "source_pixels": 6,
    "bytes": 70,
    "source_bytes": 80,
    "sha256": "ab",
    "attempts": 2,
    "seconds": {"read": 0.5, "segment": 0.1},
    "options": "o",
    "model": "m",
    "finished": "2026-11-26T10:00:00.000+00:00",
}
FAILED = {
    **{name: DONE[name] for name in ("source", "output", "version", "options", "model")},
    "status": "failed",
    "code": "worker_died",
    "message": "The worker died.",
    "seconds": {},
}


@pytest.mark.slow
def test_every_field_of_a_row_is_read_back() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra `ray`")
    rows = [*decode(io.BytesIO(encode([DONE, FAILED])))]
    known = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert known == [DONE, FAILED]


@pytest.mark.slow
def test_columns_have_one_type_whatever_the_rows() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `ray`")
    schemas = [parquet.read_schema(io.BytesIO(encode([row]))) for row in (DONE, FAILED)]
    assert schemas[0] == schemas[1]
    assert {*schemas[0].names} == DONE.keys() | FAILED.keys()


def test_another_file_is_not_taken_for_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(UsageError, match=r"cannot be read|needs pyarrow"):
        [*decode(tmp_path / "a.parquet")]


def test_without_pyarrow_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="pip install pyarrow"):
        encode([DONE])
