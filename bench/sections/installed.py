"""The size of what each server installs."""

import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

from bench.report import Samples, Section, record
from bench.servers import Stage, rembg_packages
from tests.support.environment import ROOT

SECTION = Section(
    "Installed",
    "The files of all packages.",
    [
        ("MB", "size", "MB"),
        ("packages", "packages", ""),
        ("rembg, MB", "rembg.size", "MB"),
        ("rembg, packages", "rembg.packages", ""),
        ("share of rembg's MB", "size / rembg.size", "×"),
    ],
    [],
)


def measure(_: Stage, samples: Samples) -> None:
    """Add up the files of the packages that each server's lock names."""
    for side, lock, site_packages in (
        ("default", "serve", sysconfig.get_path("platlib")),
        ("rembg", "peer", rembg_packages()),
    ):
        text = (ROOT / "requirements" / f"{lock}.txt").read_text()
        names = {_normal(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
        found = [one for one in distributions(path=[site_packages]) if _normal(one.name) in names]
        files = {Path(str(one.locate_file(file))) for one in found for file in one.files or ()}
        size = sum(file.stat().st_size for file in files if file.is_file())
        record(samples, "all", side, size=size, packages=len(found))


def _normal(name: str) -> str:
    """Normalize a package's name as indexes compare it (PyPA, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()
