"""The README says what the code does, and nothing else."""

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

import pipeline.errors
import serving.errors
from bench.__main__ import report, summary
from pipeline.errors import BackgroundRemovalError
from pipeline.options import Options
from serving.removebg.errors import ANSWERS
from serving.removebg.parameters import Parameters
from serving.responses import EXPOSED_HEADERS, STATUSES
from serving.settings import PREFIX, Settings
from tests.support.environment import ROOT

README = (ROOT / "README.md").read_text()
DOCUMENTS = (
    *("README.md", "DEVELOPMENT.md", "SECURITY.md", "CONTRIBUTING.md"),
    *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md"))),
)


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, a list of cells each."""
    section = re.split(rf"^#+ {heading}$", README, flags=re.MULTILINE)[1]
    rows = re.search(r"(?:^\|.*\n)+", section, flags=re.MULTILINE)
    assert rows is not None
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in rows.group().splitlines()[2:]
    ]


def test_every_setting_and_its_default() -> None:
    documented = {row[0].strip("`"): row[1] for row in table("Settings")}
    assert documented.keys() == {PREFIX + name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        shown = documented[PREFIX + name.upper()]
        if field.default_factory is None:
            assert shown == ("empty" if field.default in ((), None) else str(field.default)), name


def test_every_error() -> None:
    documented = {(int(row[0]), row[1].strip("`")) for row in table("Errors")}
    assert documented == {(status, error.code) for error, status in STATUSES.items()}


def test_every_option_and_its_default() -> None:
    documented = {row[0].strip("`"): row[2].strip("`") for row in table("Options")}
    defaults = {name: field.default for name, field in Options.model_fields.items()}
    assert documented == {
        name: "none" if value is None else str(value).lower() for name, value in defaults.items()
    }


def test_every_answer_header() -> None:
    documented = {
        name for row in table("The response") for name in re.findall(r"`([A-Z][\w-]+)`", row[0])
    }
    assert documented == set(EXPOSED_HEADERS) - {"Retry-After"}


def test_the_trees_in_the_docstrings_are_the_tree() -> None:
    drawings = (pipeline.errors.__doc__ or "") + (serving.errors.__doc__ or "")
    drawn = re.findall(r"[├└]── (\w+) +(\w+)", drawings)
    assert sorted(drawn) == sorted((error.__name__, error.code) for error in STATUSES)
    assert set(STATUSES) == set(BackgroundRemovalError.__subclasses__())


def test_every_file_named_in_the_documents_exists() -> None:
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        for name in re.findall(
            r"\b(?:batch|pipeline|serving|compat|web|deploy|bench|tests|docs|requirements)/[\w./-]+\.\w+\b",
            text,
        ):
            assert (ROOT / name).exists(), (document, name)


@pytest.mark.parametrize(("page", "at_least"), [("reliability.md", 20), ("scaling.md", 2)])
def test_every_command_of_a_page_names_tests(page: str, at_least: int) -> None:
    commands = re.findall(r"`pytest ([^`]+)`", (ROOT / "docs" / page).read_text())
    assert len(commands) >= at_least
    for command in commands:
        words = shlex.split(command)
        folders = [ROOT / word for word in words if word.startswith("tests")]
        files = [file for folder in folders for file in folder.rglob("test_*.py")]
        # -k chooses by the name of a test and by that of its file.
        names = [name for file in files for name in (file.stem, *_tests_in(file))]
        chosen = words[words.index("-k") + 1]
        for word in set(re.findall(r"\w+", chosen)) - {"and", "or"}:
            assert any(word in name for name in names), (command, word)


def test_every_parameter_of_removebg_has_its_test() -> None:
    page = (ROOT / "docs" / "removebg.md").read_text()
    rows = re.findall(r"^\| (?:`(\w+)`)? \|.*\| `(test_\w+)` \|$", page, flags=re.MULTILINE)
    tests = {
        test
        for file in (ROOT / "tests" / "contract").glob("test_removebg*.py")
        for test in _tests_in(file)
    }
    assert {test for _, test in rows} <= tests
    parameters = {name for name, _ in rows if name}
    files = {"image_file", "image_file_b64", "bg_image_file"}
    assert parameters == {*Parameters.model_fields} | files
    by_name = {f"invalid_{name}" for name in Parameters.model_fields}
    codes = {answer.code for answer in ANSWERS.values()} - by_name
    assert {code for code in codes if f"`{code}`" not in page} == set()


def _tests_in(file: Path) -> list[str]:
    return re.findall(r"def (test_\w+)", file.read_text())


def make_targets_in(document: str) -> set[str]:
    """Return the targets of make in the code of a document: in fences, or between backticks."""
    code = re.findall(r"```.*?```|`[^`]+`", (ROOT / document).read_text(), flags=re.DOTALL)
    return {target for text in code for target in re.findall(r"\bmake ([a-z][a-z-]*)", text)}


def test_every_make_target_is_documented_and_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, flags=re.MULTILINE))
    named = {document: make_targets_in(document) for document in DOCUMENTS}
    assert {document: names - targets for document, names in named.items() if names - targets} == {}
    # `make help` describes cleaning up, which needs no other words.
    assert targets - set().union(*named.values()) <= {"clean"}


@pytest.mark.parametrize("name", ["serve", "setup", "rembg", "stores", "ray", "dev"])
def test_the_locks_agree_and_name_no_index(name: str) -> None:
    def versions(lock: str) -> dict[str, str]:
        return dict(
            re.findall(
                r"^([\w.-]+)==([^\s;]+)",
                (ROOT / "requirements" / f"{lock}.txt").read_text(),
                flags=re.MULTILINE,
            )
        )

    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    locked, tested = versions(name), versions("dev")
    if name == "ray":  # which brings packages that no other extra has
        locked = {package: version for package, version in locked.items() if package in tested}
    assert locked.items() <= tested.items()
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=]", requirement)[0] for requirement in needed} <= versions(name).keys()


def test_the_figures_are_those_of_the_last_bench_on_each_processor() -> None:
    files = sorted((ROOT / "bench" / "results").glob("*/results.json"))
    assert files
    for file in files:
        results = json.loads(file.read_text())
        assert not results["quick"]
        assert summary(results) in README
        assert file.with_suffix(".md").read_text() == report(results)


def test_no_file_speaks_of_the_machine_it_was_made_on() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    home = str(Path.home())
    for name in files:
        text = (ROOT / name).read_bytes()
        assert str(ROOT).encode() not in text, name
        assert home == "/" or f"{home}/".encode() not in text, name
