"""The soak, with a service of its own."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from bench.soak.__main__ import report
from tests.support.scripts import run_python


@pytest.mark.slow
def test_a_soak_of_two_minutes_reaches_its_targets(tmp_path: Path) -> None:
    arguments = ("--minutes", "2", "--seed", "2", "--folder", str(tmp_path))
    run_python("-m", "bench.soak", *arguments, timeout=400)
    results = json.loads((tmp_path / "soak.json").read_text())
    assert (tmp_path / "soak.md").read_text() == report(results)
    with Image.open(io.BytesIO((tmp_path / "soak.png").read_bytes())) as plot:
        assert plot.width > plot.height > 400
