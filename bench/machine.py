"""What it was measured on and with; nothing that names the machine or its user."""

import os
import platform
from importlib.metadata import distributions
from pathlib import Path

import psutil

from bench.peer import site_packages

_OURS = ("bentoml", "isal", "numpy", "onnxruntime", "pillow", "scipy")
_PEERS = ("numpy", "onnxruntime", "pillow", "rembg", "scipy", "uvicorn")


def machine() -> dict[str, str | float]:
    """The processor, its cores, how busy they are before the run, the memory in bytes, the kernel and Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "busy_percent": psutil.cpu_percent(interval=2),
        "memory": psutil.virtual_memory().total,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, dict[str, str]]:
    """The versions of what each side stands on."""
    ours = {package.name.lower(): package.version for package in distributions()}
    peers = {
        package.name.lower(): package.version
        for package in distributions(path=[str(site_packages())])
    }
    return {
        "ours": {name: ours[name] for name in _OURS},
        "peer": {name: peers[name] for name in _PEERS},
    }
