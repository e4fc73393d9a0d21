"""What an actor does with items, and what a cluster needs: without Ray."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from batch.cluster import _ACTOR_BYTES, Actor, Cluster, _room
from batch.errors import UsageError
from batch.manifest import Work
from batch.manifest_parts import ManifestInParts
from batch.processes import WORKER_BYTES
from batch.processing import Setup
from batch.progress import Progress
from batch.reading import Limits
from batch.targets import FolderTarget
from pipeline.weights.store import MODEL_TAG
from tests.support.batch import OBEDIENT_WORKER

Outcomes = dict[str, dict[str, Any]]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """What actors with obedient workers are sent."""
    target = str(tmp_path / "out")
    return Setup({}, "digest", target, Limits(), seconds=5, worker=OBEDIENT_WORKER)


@pytest.fixture
def act(setup: Setup, tmp_path: Path) -> Callable[..., Outcomes]:
    """A function that gives an actor words, each a file, and returns the outcome of each."""

    def run(*words: str, known: int | None = None) -> Outcomes:
        for word in words:
            (tmp_path / word).write_text(word)
        items = [json.dumps([str(tmp_path / word), f"{word}.png", "v1", known]) for word in words]
        actor = Actor(setup)
        outcomes = map(json.loads, actor({"item": items})["outcome"])
        actor.close()
        return {outcome["output"]: outcome for outcome in outcomes}

    return run


def test_each_item_has_an_outcome(act: Callable[..., Outcomes], tmp_path: Path) -> None:
    FolderTarget(tmp_path / "out")
    found = act("a", "die", "refuse", "bb")
    assert {name: row["code"] for name, row in found.items()} == {
        "a.png": "ok",
        "die.png": "worker_died",
        "refuse.png": "no_subject_found",
        "bb.png": "ok",
    }
    assert (tmp_path / "out" / "bb.png").read_bytes() == b"BB"
    assert (found["bb.png"]["options"], found["bb.png"]["model"]) == ("digest", MODEL_TAG)


def test_what_is_done_is_skipped(act: Callable[..., Outcomes], tmp_path: Path) -> None:
    FolderTarget(tmp_path / "out")
    known = Work("v1", "digest", MODEL_TAG).state("done")
    assert act("a", known=known)["a.png"]["code"] == "ok"
    assert act("a", known=known) == {"a.png": {"output": "a.png", "skipped": "done"}}


def test_a_machine_without_the_folder_stops_the_run(act: Callable[..., Outcomes]) -> None:
    outcome = act("a")["a.png"]
    assert outcome["stopped"].endswith("out is not on every machine; name a shared folder.")


@pytest.mark.parametrize(
    ("resources", "actors"),
    [
        ({"CPU": 8.0, "memory": 1e12}, 8),
        ({"CPU": 8.0, "memory": 2.5 * (WORKER_BYTES + _ACTOR_BYTES)}, 2),
        ({}, 1),
    ],
)
def test_a_cluster_has_room_for_so_many_actors(resources: dict[str, float], actors: int) -> None:
    assert _room(resources) == actors


def test_without_ray_a_sentence_names_the_extra(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    progress = Progress(1, "json", io.StringIO(), io.StringIO())
    cluster = Cluster(setup, cast(ManifestInParts, None), progress, 1, "127.0.0.1:1")
    with pytest.raises(UsageError, match=r"pip install -r requirements/ray\.txt"):
        cluster.process([])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("auto", "There is no Ray cluster at auto: The node timed out."),
        ("127.0.0.1:1", "There is no Ray cluster at 127.0.0.1:1: [Errno 111] Connection refused."),
        (None, "Ray did not start: The node timed out."),
    ],
)
def test_what_ray_says_at_its_start_is_one_sentence(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, address: str | None, sentence: str
) -> None:
    def init(*_: Any, **__: Any) -> None:
        raise Exception("The node timed out.\nSee its log.")

    for name in ("ray", "ray.cluster_utils", "ray.data"):
        monkeypatch.setitem(sys.modules, name, Mock(init=init))
    monkeypatch.setattr("os.environ", {})
    progress = Progress(1, "json", io.StringIO(), io.StringIO())
    cluster = Cluster(setup, cast(ManifestInParts, None), progress, 1, address)
    with pytest.raises(UsageError) as caught:
        cluster.process([])
    assert str(caught.value) == sentence
