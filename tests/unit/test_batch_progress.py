"""What a run reports."""

import io
import json
from typing import Any

import pytest

from batch.progress import Progress, Style, choose_style


def row(code: str = "ok", seconds: float = 1.0, source: str = "a.jpg") -> dict[str, Any]:
    return {"code": code, "seconds": {"decode": seconds}, "source": source}


def reported(style: Style) -> tuple[Progress, io.StringIO, io.StringIO]:
    """Return a progress with 12 images done, 2 failed and 1 skipped of 20."""
    errors, output = io.StringIO(), io.StringIO()
    progress = Progress(20, style, errors, output)
    for number in range(12):
        progress.add(row(seconds=number, source=f"{number}.jpg"))
    for _ in range(2):
        progress.add(row("timeout", 0))
    progress.skip("done")
    return progress, errors, output


def test_the_line_counts_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, errors, _ = reported("line")
    now = progress._started + 7
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress.report()
    expected = "15/20, 1 done before, 2 failed (timeout 2), 2.0 images/s, 0:02 left"
    assert errors.getvalue() == f"\r\x1b[2K{expected}"
    progress.report()
    assert errors.getvalue().count("15/20") == 1


def test_a_log_gets_lines_and_a_program_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for style, lines in (("plain", 1), ("json", 0)):
        progress, errors, _ = reported(style)  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            now = progress._started + 11
            patch.setattr("time.monotonic", lambda now=now: now)
            progress.report()
        assert errors.getvalue().count("\n") == lines
        assert "\r" not in errors.getvalue()


def test_the_end_has_codes_and_the_ten_slowest() -> None:
    progress, _, output = reported("plain")
    progress.finish("2 failed.")
    text = output.getvalue()
    assert "       12  ok\n        2  timeout\n        1  done before\n" in text
    slowest = [line.split()[-1] for line in text.splitlines() if ".jpg" in line]
    assert slowest == [f"{number}.jpg" for number in range(11, 1, -1)]
    assert "2 failed. 0:00" in text


def test_json_has_the_rows_and_a_summary() -> None:
    progress, errors, output = reported("json")
    progress.finish("Done.")
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert lines[0] == row(seconds=0, source="0.jpg")
    summary = lines[-1]["summary"]
    assert (summary["codes"], summary["skipped"]) == ({"ok": 12, "timeout": 2}, {"done": 1})
    assert (summary["total"], summary["slowest"][0]["source"]) == (20, "11.jpg")
    assert errors.getvalue() == ""


def test_failures_of_earlier_runs_count() -> None:
    progress, *_ = reported("plain")
    progress.skip("failed")
    assert progress.failed == 3


def test_names_that_cannot_be_printed_are_escaped() -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    progress = Progress(1, "plain", io.StringIO(), output)
    progress.add(row(source="\udcff é.jpg"))
    progress.finish("Done.")
    output.seek(0)
    assert "\\udcff \\xe9.jpg" in output.read()


def test_the_style_depends_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_style(True) == "json"
    for is_terminal, style in ((True, "line"), (False, "plain")):
        errors = io.StringIO()
        monkeypatch.setattr(errors, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr("sys.stderr", errors)
        assert choose_style(False) == style
