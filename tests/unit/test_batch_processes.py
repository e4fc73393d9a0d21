"""How many workers are started."""

from pathlib import Path

import pytest

from batch.processes import PARENT_BYTES, WORKER_BYTES, available_memory, default_workers
from pipeline.processors import available_processors


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_no_more_workers_than_memory_allows(tmp_path: Path, file: str) -> None:
    limit = tmp_path / file
    limit.parent.mkdir(exist_ok=True)
    limit.write_text(f"{PARENT_BYTES + WORKER_BYTES}\n")
    assert available_memory(tmp_path) == PARENT_BYTES + WORKER_BYTES
    assert default_workers(tmp_path) == 1
    limit.write_text("1000\n")
    assert default_workers(tmp_path) == 1


def test_without_a_limit_a_processor_has_a_worker(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    fitting = (available_memory(tmp_path) - PARENT_BYTES) // WORKER_BYTES
    workers = default_workers(tmp_path)
    assert workers in (available_processors(tmp_path), max(1, fitting))
