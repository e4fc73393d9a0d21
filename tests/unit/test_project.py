"""The project's own data, from pyproject.toml."""

import tomllib

from serving import project
from tests.support.environment import ROOT


def test_the_data_are_those_of_pyproject() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ROOT == project.ROOT
    assert (stated["name"], stated["version"]) == (project.NAME, project.VERSION)
    assert (stated["description"], stated["license"]) == (project.DESCRIPTION, project.LICENSE)
