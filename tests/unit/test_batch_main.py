"""`python -m batch` in a process of its own."""

from pathlib import Path

from tests.support.batch import run_batch


def test_the_module_is_a_command(tmp_path: Path) -> None:
    """Its name is batch.__main__."""
    result = run_batch(tmp_path / "missing", tmp_path / "out")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"batch: The source {tmp_path}/missing does not exist.\n"
