"""The size of what each side installs to serve."""

import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

from bench import peer
from bench.progress import say
from bench.stage import Figures, Stage

_OUR_LOCK = Path(__file__).parent.parent.parent / "requirements" / "serve.txt"


def measure(_: Stage) -> Figures:
    """Bytes of the files of the packages that each side's lock names."""
    figures = {
        "ours": _installed(_OUR_LOCK, Path(sysconfig.get_path("platlib"))),
        "peer": _installed(peer.LOCK, peer.site_packages()),
    }
    for name, side in figures.items():
        say(f"installed, {name}: {side['bytes'] / 1e6:.0f} MB in {side['packages']} packages")
    return figures


def _installed(lock: Path, site_packages: Path) -> dict[str, int]:
    names = {_normal(name) for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)}
    found = [
        package
        for package in distributions(path=[str(site_packages)])
        if _normal(package.name) in names
    ]
    files = {
        Path(str(package.locate_file(file))) for package in found for file in package.files or ()
    }
    return {
        "bytes": sum(file.stat().st_size for file in files if file.is_file()),
        "packages": len(found),
    }


def _normal(name: str) -> str:
    """A package's name as indexes compare it (PyPA specifications, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()
