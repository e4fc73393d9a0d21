"""The steps of one item. test_batch_run.py has many, with what earlier runs have done."""

from dataclasses import replace
from pathlib import Path

import pytest

from batch.errors import RunStopped
from batch.manifest import Work
from batch.processing import Policy, Setup, open_tools, process
from batch.reading import Limits
from batch.sources import Item
from pipeline.weights.store import MODEL_TAG
from tests.support.batch import OBEDIENT_WORKER, fill_the_disk


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """What a machine with obedient workers needs to know."""
    target = str(tmp_path / "out")
    return Setup({}, "digest", target, Limits(), seconds=5, worker=OBEDIENT_WORKER)


def item(tmp_path: Path, word: str) -> Item:
    """Return the item of a file with a word."""
    (tmp_path / word).write_text(word)
    return Item(str(tmp_path / word), f"{word}.png", "v1")


def test_a_row_names_the_work_and_its_output_is_there(setup: Setup, tmp_path: Path) -> None:
    with open_tools(setup, 1) as tools:
        row = process(item(tmp_path, "word"), None, tools)
        (worker,) = tools.cutters.pids()
    assert isinstance(row, dict)
    assert (row["version"], row["options"], row["model"]) == ("v1", "digest", MODEL_TAG)
    assert (tmp_path / "out" / "word.png").read_bytes() == b"WORD"
    assert not Path(f"/proc/{worker}").exists()


def test_another_model_has_its_own_name(setup: Setup, tmp_path: Path) -> None:
    with open_tools(replace(setup, model="rembg:isnet"), 1) as tools:
        row = process(item(tmp_path, "word"), None, tools)
    assert isinstance(row, dict)
    assert row["model"] == "rembg:isnet"


def test_a_failure_is_known_unless_it_is_to_be_tried_again(setup: Setup, tmp_path: Path) -> None:
    failed = Work("v1", "digest", MODEL_TAG).state("failed")
    with open_tools(setup, 1) as tools:
        refused = item(tmp_path, "refuse")
        assert process(refused, failed, tools) == "failed"
        again = process(refused, failed, replace(tools, policy=Policy(retry_failed=True)))
    assert isinstance(again, dict)
    assert (again["status"], again["code"]) == ("failed", "no_subject_found")


def test_a_full_disk_is_no_row(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch)
    with open_tools(setup, 1) as tools, pytest.raises(RunStopped):
        process(item(tmp_path, "word"), None, tools)
