"""Imports go one way, and private APIs are used in one place."""

import ast
from pathlib import Path

import pytest

from tests.support.environment import ROOT

# What each package may import of ours, besides itself.
LAYERS: dict[str, set[str]] = {
    "compat": set(),
    "pipeline": {"compat"},
    "serving": {"compat", "pipeline"},
}

# Where the private parts of the libraries begin.
PRIVATE = ("_bentoml_impl", "_bentoml_sdk", "bentoml._internal", "uvicorn")


def imports(file: Path) -> set[str]:
    """Every module that a file imports, at its top or inside."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("package", LAYERS)
def test_nothing_imports_upwards(package: str) -> None:
    files = sorted((ROOT / package).glob("**/*.py"))
    assert files
    ours = {"compat", "pipeline", "serving", "service", "bench", "tests", "deploy"}
    for file in files:
        upwards = {name.partition(".")[0] for name in imports(file)} & ours - LAYERS[package] - {
            package
        }
        assert not upwards, file.name


def test_private_parts_of_libraries_are_used_in_compat_alone() -> None:
    files = [
        ROOT / "service.py",
        *(ROOT / "pipeline").rglob("*.py"),
        *(ROOT / "serving").glob("*.py"),
    ]
    for file in files:
        used = {name for name in imports(file) if name.startswith(PRIVATE)}
        assert not used, file.name


def test_no_mutable_object_is_cached_by_a_module() -> None:
    """What a worker shares is in its Runtime, made once and handed down; a cached function returns what cannot change."""
    cached = {
        f"{file.stem}.{node.name} -> {ast.unparse(node.returns) if node.returns else None}"
        for file in [
            ROOT / "service.py",
            *(ROOT / "pipeline").rglob("*.py"),
            *(ROOT / "serving").glob("*.py"),
        ]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).removeprefix("functools.") in ("cache", "lru_cache")
    }
    assert cached == {"service.openapi_document -> bytes", "static._read -> tuple[bytes, str]"}
