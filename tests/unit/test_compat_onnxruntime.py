"""The arena that sessions share."""

from pathlib import Path

import onnxruntime
import psutil
import pytest

from compat import MovedError
from compat import onnxruntime as compat_onnxruntime
from compat.onnxruntime import check, is_out_of_memory, session_options
from tests.unit.scripts import output_of


def test_the_locked_version_passes() -> None:
    check()


def test_a_missing_api_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat_onnxruntime, "SharedArena", object)
    with pytest.raises(MovedError, match=r"^onnxruntime .*arena"):
        check()


# Runs in the worker's environment, where glibc unmaps large blocks when they are freed.
SHRINKING = """
import sys
import numpy as np, onnxruntime, psutil
from compat.onnxruntime import SharedArena, session_options

def run():
    session.run(None, {session.get_inputs()[0].name: np.zeros((1, 3, 320, 320), np.float32)})

def megabytes():
    return psutil.Process().memory_info().rss // 1_000_000

arena = SharedArena()
options = session_options(threads=1)
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
before = megabytes()
run()
held = megabytes()
arena.shrink()
print(before, held, megabytes())
run()
"""


def test_shrinking_frees_what_another_session_has_used(model_file: Path) -> None:
    (line,) = output_of(SHRINKING, model_file)
    before, held, after = map(int, line.split())
    assert held - before > 60
    assert after - before < 20


def test_a_session_starts_the_threads_that_it_is_given(model_file: Path) -> None:
    def threads() -> int:
        return psutil.Process().num_threads()

    before, sessions = threads(), []
    for count in (1, 4):
        options = session_options(threads=count)
        sessions.append(
            onnxruntime.InferenceSession(
                str(model_file), sess_options=options, providers=["CPUExecutionProvider"]
            )
        )
    # The calling thread is one of them.
    assert threads() - before == (1 - 1) + (4 - 1)
    del sessions


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Failed to allocate memory for requested buffer of size 1", True),
        ("bad allocation", True),
        ("std::bad_alloc", True),
        ("Got invalid dimensions for input", False),
    ],
)
def test_a_lack_of_memory_is_known_by_its_message(message: str, expected: bool) -> None:
    assert is_out_of_memory(RuntimeError(message)) == expected
