"""Imports go one way, private APIs are used in one place, and every module has its test."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.environment import ROOT

# The packages of the project that each package may import, besides itself.
LAYERS: dict[str, set[str]] = {
    "compat": set(),
    "pipeline": {"compat"},
    "serving": {"compat", "pipeline"},
    "batch": {"compat", "pipeline"},
}
OURS = {*LAYERS, "service", "bench", "tests", "deploy"}
FILES = {package: sorted((ROOT / package).rglob("*.py")) for package in LAYERS}
OUTSIDE_COMPAT = [
    ROOT / "service.py",
    *(file for package in ("pipeline", "serving", "batch") for file in FILES[package]),
]

# The modules of libraries that are private, or used for private APIs only.
PRIVATE_MODULES = ("_bentoml_impl", "_bentoml_sdk", "bentoml._internal", "uvicorn")
# Private attributes of Pillow's images and plugins.
PRIVATE_ATTRIBUTES = {"_decoder", "_webp", "codec_name", "layer", "tag_v2", "MAX_TEXT_MEMORY"}

# Where modules of one name are in several packages, or have a library's name, the test file has
# the name of the folder too.
PREFIXED_FOLDERS = {"batch", "compat", "weights"}


def imports(file: Path) -> set[str]:
    """Return every module that a file imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("package", LAYERS)
def test_nothing_imports_upwards(package: str) -> None:
    assert FILES[package]
    for file in FILES[package]:
        imported = {name.partition(".")[0] for name in imports(file)}
        assert imported & OURS <= LAYERS[package] | {package}, file.name


def test_private_modules_of_libraries_are_imported_by_compat_only() -> None:
    for file in OUTSIDE_COMPAT:
        assert not {name for name in imports(file) if name.startswith(PRIVATE_MODULES)}, file.name
    in_compat = [name for file in FILES["compat"] for name in imports(file)]
    assert any(name.startswith(PRIVATE_MODULES) for name in in_compat)


def test_private_attributes_of_pillow_are_used_by_compat_only() -> None:
    def used(file: Path) -> set[str]:
        """Return the names that a file uses as an attribute, a string or an import."""
        nodes = [*ast.walk(ast.parse(file.read_text()))]
        attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        strings = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
        aliases = {node.name for node in nodes if isinstance(node, ast.alias)}
        return (attributes | strings | aliases) & PRIVATE_ATTRIBUTES

    for file in OUTSIDE_COMPAT:
        assert not used(file), file.name
    assert used(ROOT / "compat" / "pillow.py") == PRIVATE_ATTRIBUTES


def test_headers_are_read_by_their_structure() -> None:
    """Letters that are searched for may stand anywhere in a file."""
    for file in FILES["pipeline"]:
        assert ".find(b" not in file.read_text(), file.name


def test_no_mutable_object_is_cached_by_a_module() -> None:
    """The objects of a worker are in its Runtime; a cached function returns what cannot change."""
    cached = {
        f"{file.stem}.{node.name} -> {ast.unparse(node.returns) if node.returns else None}"
        for file in OUTSIDE_COMPAT
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).removeprefix("functools.") in ("cache", "lru_cache")
    }
    assert cached == {
        "jpeg_planes.equals_pillow -> bool",
        "service.openapi_document -> bytes",
        "static._read -> tuple[bytes, str]",
    }


def has_code(file: Path) -> bool:
    """Return whether a file has more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body)


MODULES = [
    file
    for file in [ROOT / "service.py", *(file for files in FILES.values() for file in files)]
    if has_code(file)
]
STEMS = Counter(file.stem for file in MODULES if file.parent.name not in PREFIXED_FOLDERS)


def unit_test_of(module: Path) -> str:
    """Return the name of a module's test file."""
    folder = module.parent.name
    if module.stem == "__init__":
        return f"test_{folder}.py"
    if folder in PREFIXED_FOLDERS or STEMS[module.stem] > 1:
        return f"test_{folder}_{module.stem.strip('_')}.py"
    return f"test_{module.stem}.py"


@pytest.mark.parametrize("module", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_has_its_test_file(module: Path) -> None:
    """The file is named after the module, and imports it or names it in a script."""
    file = ROOT / "tests" / "unit" / unit_test_of(module)
    assert file.exists()
    dotted = ".".join(module.relative_to(ROOT).with_suffix("").parts)
    name = dotted.removesuffix(".__init__").removesuffix(".__main__")
    text = file.read_text()
    assert "def test_" in text
    assert name in imports(file) or re.search(rf"\b{name}\b", text)


def test_no_two_modules_share_a_test_file() -> None:
    assert len(MODULES) > 60
    assert max(Counter(map(unit_test_of, MODULES)).values()) == 1
