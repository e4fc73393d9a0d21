"""`python -m compat`, which the supervisor runs in a process of its own."""

import subprocess
import sys

import pytest

from tests.support.environment import ROOT

# Runs the command in a process in which a private API may be missing.
SCRIPT = """
import runpy
{change}
runpy.run_module("compat", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("change", "library"),
    [
        ("", None),
        ("from PIL import PngImagePlugin; del PngImagePlugin.MAX_TEXT_MEMORY", "Pillow"),
        ("import onnxruntime; del onnxruntime.OrtArenaCfg", "onnxruntime"),
    ],
)
def test_it_exits_with_1_and_one_sentence_if_an_api_is_missing(
    change: str, library: str | None
) -> None:
    command = [sys.executable, "-c", SCRIPT.format(change=change)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == (0 if library is None else 1)
    sentences = [] if library is None else [library]
    assert [line.split()[0] for line in result.stderr.splitlines()] == sentences
