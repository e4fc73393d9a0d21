"""How many workers a machine can hold."""

from pathlib import Path

import psutil

from pipeline.processors import available_processors

# The peak of a worker with an image of 24 megapixels, and the rest of the run.
WORKER_BYTES, PARENT_BYTES = 400_000_000, 150_000_000

_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def default_workers(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return one worker per processor, but no more than fit into memory, and at least one."""
    fitting = (available_memory(cgroup) - PARENT_BYTES) // WORKER_BYTES
    return max(1, min(available_processors(cgroup), fitting))


def available_memory(cgroup: Path) -> int:
    """Return the bytes that this process may take: of the machine, or the limit of its cgroup."""
    available: int = psutil.virtual_memory().available
    for name in _LIMITS:
        try:
            available = min(available, int((cgroup / name).read_text()))
        except (OSError, ValueError):
            continue  # another version of cgroups, or "max"
    return available
