"""The manifest: rows, what they tell the next run, and damage."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from batch.errors import RunStopped, UsageError
from batch.manifest import Manifest, Work, last_rows, read_rows

WORK = Work("v1", "o", "m")


def row(output: str = "a.png", status: str = "done", **fields: Any) -> dict[str, Any]:
    """Return the row of WORK."""
    known = {"source": "a.jpg", "version": "v1", "options": "o", "model": "m"}
    return {**known, "output": output, "status": status, **fields}


def reopened(path: Path, *rows: dict[str, Any]) -> Manifest:
    """Return a manifest that was written and opened again."""
    manifest = Manifest(path)
    for one in rows:
        manifest.append(one)
    manifest.close()
    return Manifest(path)


def test_it_remembers_the_last_row_of_the_same_work(tmp_path: Path) -> None:
    rows = [row(status="failed"), row(), row("b.png", "failed")]
    manifest = reopened(tmp_path / "m.jsonl", *rows)
    assert WORK.status(manifest.state("a.png")) == "done"
    assert WORK.status(manifest.state("b.png")) == "failed"
    assert WORK.status(manifest.state("c.png")) is None
    for other in (Work("v2", "o", "m"), Work("v1", "p", "m"), Work("v1", "o", "n")):
        assert other.status(manifest.state("a.png")) is None
    manifest.close()


def test_a_source_without_a_version_is_known_by_its_name(tmp_path: Path) -> None:
    manifest = reopened(tmp_path / "m.jsonl", row(version="", source="https://a.example"))
    assert Work("https://a.example", "o", "m").status(manifest.state("a.png")) == "done"
    manifest.close()


def test_rows_of_other_shards_count(tmp_path: Path) -> None:
    reopened(tmp_path / "first.jsonl", row()).close()
    manifest = Manifest(tmp_path / "second.jsonl", [tmp_path / "first.jsonl"])
    assert WORK.status(manifest.state("a.png")) == "done"
    manifest.close()


@pytest.mark.parametrize("torn", ["{", '{"source": "b', "{" + "x" * 200_000])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "m.jsonl"
    reopened(path, row()).close()
    whole = path.read_text()
    path.write_text(whole + torn)
    assert [*read_rows(path)] == [row()]
    reopened(path, row("b.png")).close()
    assert [found["output"] for found in read_rows(path)] == ["a.png", "b.png"]
    path.write_text(torn)
    Manifest(path).close()
    assert path.read_text() == ""


def test_one_run_at_a_time_writes(tmp_path: Path) -> None:
    first = Manifest(tmp_path / "m.jsonl")
    with pytest.raises(UsageError, match="Another run"):
        Manifest(tmp_path / "m.jsonl")
    first.close()
    Manifest(tmp_path / "m.jsonl").close()


@pytest.mark.parametrize("content", ["no\n", "3\n", '{"source": "a"}\n', "no"])
def test_another_file_is_not_taken_for_a_manifest(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.jsonl").write_text(content)
    with pytest.raises(UsageError, match=r"cannot be read|is not a row"):
        Manifest(tmp_path / "m.jsonl")
    assert (tmp_path / "m.jsonl").read_text() == content


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        Manifest(tmp_path / "file" / "m.jsonl")


def test_a_full_disk_stops_the_run_and_leaves_a_row_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = reopened(tmp_path / "m.jsonl", row())
    write, calls = os.write, []

    def fill(file: int, line: bytes) -> int:
        calls.append(line)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, line[:20])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill)
        with pytest.raises(RunStopped, match="No space left"):
            manifest.append(row("b.png"))
    manifest.close()
    reopened(tmp_path / "m.jsonl", row("c.png")).close()
    assert [found["output"] for found in read_rows(tmp_path / "m.jsonl")] == ["a.png", "c.png"]


def test_a_device_is_no_manifest() -> None:
    with pytest.raises(UsageError, match="not a regular file"):
        Manifest(Path("/dev/null"))


def test_the_last_row_of_each_output(tmp_path: Path) -> None:
    rows = [row(status="failed"), row("b.png"), row()]
    reopened(tmp_path / "m.jsonl", *rows).close()
    manifest = Manifest(tmp_path / "more.jsonl", [tmp_path / "m.jsonl"])
    assert last_rows(manifest.rows()) == rows[1:]
    manifest.close()
