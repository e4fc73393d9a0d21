"""Many items at once, with workers whose images do as they are told."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from batch.cutters import CutterPool
from batch.errors import RunStopped, UsageError
from batch.manifest import Manifest, read_rows
from batch.processing import Policy, Tools
from batch.progress import Progress
from batch.reading import Limits, Reader
from batch.run import Run
from batch.sources import Item
from batch.targets import FolderTarget
from tests.support.batch import NO_MODEL, OBEDIENT_WORKER, fill_the_disk

Process = Callable[..., Progress]


@pytest.fixture(scope="module")
def cutters() -> Iterator[CutterPool]:
    """Two workers."""
    with closing(CutterPool(2, NO_MODEL, 0.5, OBEDIENT_WORKER)) as pool:
        yield pool


@pytest.fixture
def process(cutters: CutterPool, tmp_path: Path) -> Process:
    """A function that runs over words, each a file, and returns the progress."""

    def run(*words: str, policy: Policy | None = None, **tools: Any) -> Progress:
        for word in words:
            if not (tmp_path / word).exists():
                (tmp_path / word).write_text(word)
        items = [Item(str(tmp_path / word), f"{word}.png") for word in words]
        progress = Progress(len(items), "json", io.StringIO(), io.StringIO())
        reader, target = Reader(Limits()), FolderTarget(tmp_path / "out")
        with closing(Manifest(tmp_path / "m.jsonl")) as manifest:
            again = policy or Policy()
            used = Tools(reader, cutters, target, "options", "model", again)
            assert Run(used, manifest, progress, 4).process(tools.get("items", items))
        return progress

    return run


def rows(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows by output, of which each has one."""
    found = [*read_rows(tmp_path / "m.jsonl")]
    by_output = {row["output"]: row for row in found}
    assert len(by_output) == len(found)
    return by_output


def test_every_item_has_a_row_and_an_output(process: Process, tmp_path: Path) -> None:
    progress = process("a", "die", "b", "refuse", "hang", "cc")
    assert progress.codes == {
        "ok": 3, "worker_died": 1, "no_subject_found": 1, "timeout": 1,
    }  # fmt: skip
    found = rows(tmp_path)
    assert {name: row["code"] for name, row in found.items()} == {
        "a.png": "ok",
        "b.png": "ok",
        "cc.png": "ok",
        "die.png": "worker_died",
        "refuse.png": "no_subject_found",
        "hang.png": "timeout",
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "b.png", "cc.png"}
    row = found["cc.png"]
    assert (tmp_path / "out" / "cc.png").read_bytes() == b"CC"
    assert (row["status"], row["bytes"], row["source_bytes"], row["attempts"]) == ("done", 2, 2, 1)
    assert row["seconds"].keys() == {"read", "decode", "write"}
    assert found["refuse.png"]["message"] == "Nothing there."


def test_a_second_run_does_what_is_left(process: Process, tmp_path: Path) -> None:
    process("a", "refuse")
    again = process("a", "refuse", "b")
    assert (again.codes, again.skipped) == ({"ok": 1}, {"done": 1, "failed": 1})
    assert again.failed == 1
    (tmp_path / "out" / "a.png").unlink()
    assert process("a", "b").codes == {"ok": 1}
    retried = process("refuse", "b", policy=Policy(retry_failed=True))
    assert (retried.codes, retried.skipped) == ({"no_subject_found": 1}, {"done": 1})
    assert process("b", policy=Policy(redo_all=True)).codes == {"ok": 1}
    (tmp_path / "b").write_text("changed")
    assert process("b").codes == {"ok": 1}


def test_a_missing_source_is_one_row(process: Process, tmp_path: Path) -> None:
    items = [Item(str(tmp_path / "missing"), "missing.png")]
    assert process(items=items).codes == {"source_unreachable": 1}
    assert rows(tmp_path)["missing.png"]["version"] == ""


def test_a_full_disk_stops_the_run(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch)
    with pytest.raises(RunStopped):
        process(*(f"{n}" for n in range(50)))
    assert rows(tmp_path) == {}


def test_what_has_begun_is_finished_when_the_run_stops(cutters: CutterPool, tmp_path: Path) -> None:
    def items() -> Iterator[Item]:
        for number in range(100):
            (tmp_path / f"{number}").write_text("a")
            yield Item(str(tmp_path / f"{number}"), f"{number}.png")
            if number == 10:
                run.stop()

    progress = Progress(100, "json", io.StringIO(), io.StringIO())
    with closing(Manifest(tmp_path / "m.jsonl")) as manifest:
        target = FolderTarget(tmp_path / "out")
        tools = Tools(Reader(Limits()), cutters, target, "o", "m")
        run = Run(tools, manifest, progress, 4)
        assert not run.process(items())
    assert len(rows(tmp_path)) == 11 == len([*(tmp_path / "out").iterdir()])


def test_a_listing_that_fails_ends_the_run_after_what_has_begun(
    process: Process, tmp_path: Path
) -> None:
    def items() -> Iterator[Item]:
        (tmp_path / "a").write_text("a")
        yield Item(str(tmp_path / "a"), "a.png")
        raise UsageError("The folder cannot be read.")

    with pytest.raises(UsageError):
        process(items=items())
    assert [*rows(tmp_path)] == ["a.png"]


def test_rows_are_json(process: Process, tmp_path: Path) -> None:
    process("a")
    (line,) = (tmp_path / "m.jsonl").read_text().splitlines()
    assert json.loads(line)["source"] == str(tmp_path / "a")
