"""The number of processors available to this process."""

import math
import os
from pathlib import Path


def available_processors(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many processors this process may keep busy, at least 1.

    This is the CPU quota of the cgroup (v2: `cpu.max`; v1: `cpu.cfs_quota_us`), rounded up.
    Without a quota it is the number of processors in the affinity mask of the process. A container
    sees its own cgroup at the root of the mount.
    """
    for quota_file, period_file in (
        ("cpu.max", None),
        ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
    ):
        try:
            words = (cgroup / quota_file).read_text().split()
            if period_file is not None:
                words += (cgroup / period_file).read_text().split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0 and period > 0:
            return max(1, math.ceil(quota / period))
    return len(os.sched_getaffinity(0))
