"""The project's name, version, description and license, as pyproject.toml has them."""

import tomllib
from pathlib import Path

# The folder that contains `serving`: the checkout, the Bento or the installed package.
ROOT = Path(__file__).parent.parent

_project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

NAME: str = _project["name"]
VERSION: str = _project["version"]
DESCRIPTION: str = _project["description"]
LICENSE: str = _project["license"]
