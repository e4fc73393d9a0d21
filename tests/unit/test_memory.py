"""glibc's allocator, as the worker configures it. Each test runs a process of its own."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.memory import WORKER_ENVIRONMENT, release_free_memory
from tests.support.environment import ROOT

LOADERS = sorted(Path("/lib64").glob("ld-linux-*.so.*"))
needs_glibc = pytest.mark.skipif(not LOADERS, reason="needs glibc")

RESIDENT = """
import re
from pathlib import Path
from pipeline.memory import release_free_memory

def resident():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", status)[1]) // 1024
"""

# A freed block of 8 MB raises glibc's own threshold to 8 MB. The next eight then come from the
# heap, where a small block above them keeps them resident.
LARGE_BLOCKS = """
del (first := [bytearray(b"x") * (8 << 20)])[:]
before = resident()
blocks = [bytearray(b"x") * (8 << 20) for _ in range(8)]
small = [bytearray(b"x") * 100_000 for _ in range(8)]
del blocks
print(resident() - before)
"""

# Blocks of 64 KB, freed under one that is still in use.
SMALL_BLOCKS = """
blocks = [bytearray(b"x") * 65_536 for _ in range(1_600)]
last = bytearray(b"x") * 65_536
del blocks
before = resident()
release_free_memory()
print(before - resident())
"""


def megabytes(script: str) -> int:
    """Run a script in the worker's environment; return the number that it prints."""
    command = [sys.executable, "-c", RESIDENT + script]
    result = subprocess.run(
        command, cwd=ROOT, env=WORKER_ENVIRONMENT, capture_output=True, check=True
    )
    return int(result.stdout)


@needs_glibc
def test_glibc_knows_every_tunable() -> None:
    command = [str(LOADERS[0]), "--list-tunables"]
    listed = subprocess.run(
        command, env=WORKER_ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout
    for tunable in WORKER_ENVIRONMENT["GLIBC_TUNABLES"].split(":"):
        name, value = tunable.split("=")
        (line,) = (line for line in listed.splitlines() if line.startswith(f"{name}:"))
        assert int(line.split()[1], 0) == int(value)


@needs_glibc
def test_freed_images_leave_no_holes() -> None:
    assert megabytes(LARGE_BLOCKS) < 10


@needs_glibc
def test_free_memory_is_returned_to_the_system() -> None:
    assert megabytes(SMALL_BLOCKS) > 80


def test_numpy_starts_no_threads_of_its_own() -> None:
    script = """
import threading, numpy
print(len(list(Path("/proc/self/task").iterdir())))
"""
    assert megabytes(script) == 1


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """musl has no malloc_trim."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    release_free_memory()
