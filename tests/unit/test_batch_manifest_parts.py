"""The manifest in parts: rows gathered, written as a whole, and known to the next run."""

import sys
from pathlib import Path

import pytest

from batch import manifest_parts
from batch.errors import ImageFailed, RunStopped, UsageError
from batch.manifest import Manifest, last_rows
from batch.manifest_parts import ManifestInParts
from batch.targets import FolderTarget
from tests.unit.test_batch_manifest import WORK, row


def parts(folder: Path) -> list[str]:
    """Return the names of the parts in a folder."""
    return sorted(path.name for path in folder.glob("*.parquet"))


def test_without_pyarrow_nothing_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="pip install pyarrow"):
        ManifestInParts(str(tmp_path / "manifest"))
    assert not (tmp_path / "manifest").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["{folder}", "memory://parts{folder}"])
def test_the_next_run_knows_the_last_row_of_each_output(tmp_path: Path, place: str) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra `ray`")
    place = place.format(folder=tmp_path / "manifest")
    for status in ("failed", "done"):
        manifest = ManifestInParts(place)
        manifest.append(row(status=status))
        manifest.append(row("b.png", "failed", message=status))
        manifest.close()
    manifest = ManifestInParts(place)
    assert WORK.status(manifest.state("a.png")) == "done"
    assert WORK.status(manifest.state("b.png")) == "failed"
    assert manifest.state("c.png") is None
    last = [(found["output"], found["message"]) for found in last_rows(manifest.rows())]
    assert last == [("a.png", None), ("b.png", "done")]
    manifest.close()


@pytest.mark.slow
def test_local_runs_and_runs_on_a_cluster_know_each_other(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra `ray`")
    local = Manifest(tmp_path / "m.jsonl")
    local.append(row())
    local.close()
    manifest = ManifestInParts(str(tmp_path / "manifest"), [tmp_path / "m.jsonl"])
    assert WORK.status(manifest.state("a.png")) == "done"
    manifest.append(row("b.png"))
    manifest.close()
    local = Manifest(tmp_path / "m.jsonl", (tmp_path / "manifest").glob("*.parquet"))
    assert WORK.status(local.state("b.png")) == "done"
    local.close()


@pytest.mark.slow
def test_a_part_is_written_when_there_are_enough_rows_or_time_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra `ray`")
    monkeypatch.setattr(manifest_parts, "_PART_ROWS", 3)
    manifest = ManifestInParts(str(tmp_path))
    for count, written in ((2, 0), (1, 1), (1, 1)):
        for _ in range(count):
            manifest.append(row())
        assert len(parts(tmp_path)) == written
    monkeypatch.setattr(manifest_parts, "_PART_SECONDS", -1.0)
    manifest.append(row())
    assert len(parts(tmp_path)) == 2
    manifest.close()
    assert len(parts(tmp_path)) == 2


@pytest.mark.slow
def test_one_run_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra `ray`")
    first = ManifestInParts(str(tmp_path))
    with pytest.raises(UsageError, match="Another run"):
        ManifestInParts(str(tmp_path))
    first.close()
    ManifestInParts(str(tmp_path)).close()


@pytest.mark.slow
def test_a_place_that_takes_no_parts_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra `ray`")

    def refuse(*_: object) -> None:
        raise ImageFailed("write_failed", "The store refused it.")

    manifest = ManifestInParts(str(tmp_path))
    monkeypatch.setattr(FolderTarget, "write", refuse)
    manifest.append(row())
    with pytest.raises(RunStopped, match="The store refused it"):
        manifest.close()
    ManifestInParts(str(tmp_path)).close()
