"""The size of what each server installs."""

import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

from bench.report import Figures, Target, megabytes, say
from bench.servers import Stage, rembg_packages
from tests.support.environment import ROOT


def measure(_: Stage) -> Figures:
    """Add up the files of the packages that each server's lock names."""
    figures = {
        "service": _installed("serve", sysconfig.get_path("platlib")),
        "rembg": _installed("peer", rembg_packages()),
    }
    say(f"installed: {figures}")
    return figures


def report(figures: Figures) -> str:
    sizes = (
        f"{name} {megabytes(size['bytes'])} MB in {size['packages']} packages"
        for name, size in figures.items()
    )
    times = figures["rembg"]["bytes"] / figures["service"]["bytes"]
    return f"## Installed\n\nrembg is {times:.1f} times as large: {', '.join(sizes)}."


def targets(_: Figures) -> list[Target]:
    return []


def _installed(lock: str, site_packages: str) -> dict[str, int]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    names = {_normal(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    found = [one for one in distributions(path=[site_packages]) if _normal(one.name) in names]
    files = {Path(str(one.locate_file(file))) for one in found for file in one.files or ()}
    size = sum(file.stat().st_size for file in files if file.is_file())
    return {"bytes": size, "packages": len(found)}


def _normal(name: str) -> str:
    """Normalize a package's name as indexes compare it (PyPA, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()
