"""Build hook: puts the service into the wheel as one package, `background_remover`.

In the checkout, `batch`, `compat`, `pipeline` and `serving` are top-level packages beside
`service.py`. Installed, such names would clash with those of others, so the hook moves them under
`background_remover` and rewrites the imports between them: `from pipeline.errors import …` becomes
`from background_remover.pipeline.errors import …`. Nothing else is changed.
"""

import ast
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAMESPACE = "background_remover"
PACKAGES = ("batch", "compat", "pipeline", "serving")
# serving/project.py reads pyproject.toml, serving/static.py serves web/.
FILES = ("service.py", "pyproject.toml")
FOLDERS = (*PACKAGES, "web")

_INIT = '"""Removes the background of images: `bentoml serve background_remover.service`."""\n'


class NamespaceHook(BuildHookInterface[Any]):
    """Copies the sources to a temporary folder, rewrites them, and includes that folder."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the package to the wheel. `version` is "editable" for `pip install -e`."""
        if version == "editable":
            raise ValueError(
                "There is no editable install: use the checkout itself (`make setup`)."
            )
        self._folder = Path(tempfile.mkdtemp())
        package = self._folder / NAMESPACE
        copy_sources(Path(self.root), package)
        for file in package.rglob("*.py"):
            file.write_text(rewrite_imports(file.read_text()))
        build_data["force_include"][str(package)] = NAMESPACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self._folder)


def copy_sources(root: Path, package: Path) -> None:
    """Copy what the service needs at run time from `root` to the new folder `package`."""
    for name in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / name, package / name, ignore=ignore)
    for name in FILES:
        shutil.copyfile(root / name, package / name)
    (package / "__init__.py").write_text(_INIT)


def rewrite_imports(source: str) -> str:
    """Return Python source with `from pipeline…` and the like under the namespace.

    Raises ValueError for `import pipeline.…`, whose uses would have to be rewritten too.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(node.module or ""):
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace("from ", f"from {NAMESPACE}.", 1)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_ours(alias.name):
                    raise ValueError(f"Write `from … import …` instead of `import {alias.name}`.")
    return "".join(lines)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES
