"""The command, in this process: what it refuses, lists and writes, with obedient workers."""

import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from batch import processing
from batch.command import main, options_digest
from batch.cutters import CutterPool
from batch.manifest import read_rows
from batch.protocol import Settings
from pipeline.options import Options
from tests.support.batch import OBEDIENT_WORKER


@pytest.fixture(autouse=True)
def _obedient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start workers that do as their images say."""

    def start(count: int, settings: Settings, seconds: float, _: Sequence[str]) -> CutterPool:
        assert settings.model_file.endswith(".onnx")
        return CutterPool(count, settings, seconds, OBEDIENT_WORKER)

    monkeypatch.setattr(processing, "CutterPool", start)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three images, one of which fails."""
    (tmp_path / "in" / "b").mkdir(parents=True)
    for name, word in (("a.jpg", "a"), ("b/c.jpg", "ccc"), ("b/d.jpg", "refuse")):
        (tmp_path / "in" / name).write_text(word)
    return tmp_path


def batch(folder: Path, *arguments: str) -> int:
    """Run over the folder, with one worker."""
    return main([str(folder / "in"), str(folder / "out"), "--workers", "1", *arguments])


def test_it_ends_with_a_status_a_table_and_a_manifest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(folder, "--report", str(folder / "report.html")) == 1
    output = capsys.readouterr().out
    assert "        2  ok\n        1  no_subject_found\n" in output
    assert "1 failed; --retry-failed processes them again." in output
    rows = [*read_rows(folder / "out" / "manifest.jsonl")]
    assert {row["output"] for row in rows} == {"a.png", "b/c.png", "b/d.png"}
    assert {row["options"] for row in rows} == {options_digest(Options())}
    assert (folder / "report.html").stat().st_size > 1000
    assert batch(folder, "--exclude", "d.jpg") == 0
    assert "2  done before" in capsys.readouterr().out


def test_other_options_are_other_work(folder: Path) -> None:
    arguments = ("--exclude", "d.jpg")
    assert batch(folder, *arguments) == 0
    assert batch(folder, *arguments, "--margin", "5") == 0
    assert len([*read_rows(folder / "out" / "manifest.jsonl")]) == 4


def test_shards_share_a_folder(folder: Path) -> None:
    for shard in ("1/2", "2/2", "1/1"):
        batch(folder, "--shard", shard)
    manifests = sorted((folder / "out").glob("manifest*.jsonl"))
    assert [path.name for path in manifests] == [
        "manifest-1-of-2.jsonl",
        "manifest-2-of-2.jsonl",
        "manifest.jsonl",
    ]
    assert sum(len([*read_rows(path)]) for path in manifests) == 3


def test_a_dry_run_lists_and_makes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(folder, "--dry-run") == 0
    lines = sorted(capsys.readouterr().out.splitlines())
    assert lines[0] == f"{folder}/in/a.jpg -> a.png"
    assert not (folder / "out").exists()
    assert batch(folder, "--dry-run", "--json") == 0
    items = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {item["output"] for item in items} == {"a.png", "b/c.png", "b/d.png"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing", "out"], "The source missing does not exist."),
        (["in", "in"], "in is both source and target; name another folder."),
        (["in", "memory://a"], "name a local file with --manifest."),
        (["in", "in/a.jpg"], "The folder in/a.jpg cannot be made: File exists."),
        (["in", "out", "--margin", "x"], "The option --margin is wrong:"),
    ],
)
def test_wrong_use_is_one_sentence(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(folder)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("batch: ")
    assert sentence in error
    assert error.count("\n") == 1


def test_a_store_is_a_target(folder: Path) -> None:
    manifest = folder / "m.jsonl"
    arguments = ["memory://command/out", "--manifest", str(manifest), "--workers", "1"]
    assert main([str(folder / "in" / "a.jpg"), *arguments]) == 0
    assert main(["memory://command/out", "memory://command/again", *arguments[1:]]) == 0
    assert [row["output"] for row in read_rows(manifest)] == ["a.png", "a.png"]


def test_an_interrupted_run_says_how_to_go_on(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(2000):
        (folder / "in" / f"{number}.jpg").write_text("a")
    timer = threading.Timer(1, signal.raise_signal, [signal.SIGINT])
    timer.start()
    assert batch(folder) == 130
    captured = capfd.readouterr()
    assert "finishing what has begun" in captured.err
    assert "Interrupted; the same command continues." in captured.out
    rows = len([*read_rows(folder / "out" / "manifest.jsonl")])
    assert rows < 2003
    assert rows == len([*(folder / "out").rglob("*.png")]) + captured.out.count("no_subject_found")
    assert not [*(folder / "out").rglob(".*")]
