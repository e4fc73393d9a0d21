"""The log: lines of JSON in ASCII, from every handler of the process."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from serving.logging import JSONFormatter, request_id_context
from tests.support.environment import ROOT


def line_of(message: str, **fields: object) -> str:
    record = logging.LogRecord("name", logging.WARNING, __file__, 1, message, (), None)
    record.fields = fields
    return JSONFormatter().format(record)


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x9b2J", "\x7f", "\u2028", "\u202e", "é", "\ud800", "\r\n"]
)
def test_a_line_is_printable_ascii_whatever_it_contains(text: str) -> None:
    line = line_of(f"a{text}b", path=f"/{text}")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"a{text}b"
    assert json.loads(line)["path"] == f"/{text}"


def test_a_line_has_the_id_of_the_current_request() -> None:
    assert "request_id" not in json.loads(line_of("outside"))
    token = request_id_context.set("0123456789abcdef")
    assert json.loads(line_of("inside"))["request_id"] == "0123456789abcdef"
    request_id_context.reset(token)


def test_a_line_has_the_time_in_utc_the_level_and_the_fields() -> None:
    before = datetime.now(UTC)
    line = json.loads(line_of("a message", status=200))
    assert (line["level"], line["message"], line["status"]) == ("warning", "a message", 200)
    time = datetime.fromisoformat(line["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(time - before) < timedelta(seconds=5)


def test_a_line_of_an_exception_has_its_traceback_and_is_one_line() -> None:
    try:
        raise TypeError("ours")
    except TypeError:
        record = logging.LogRecord("n", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    line = JSONFormatter().format(record)
    assert "\n" not in line
    traceback = json.loads(line)["traceback"]
    assert traceback.startswith("Traceback")
    assert traceback.endswith("TypeError: ours")


# Runs in a process of its own, because it changes every logger.
CONFIGURED = """
import logging, warnings
logging.getLogger("bentoml").addHandler(logging.StreamHandler())
logging.getLogger().addHandler(logging.StreamHandler())
from serving.logging import LOGGER, configure_logging
configure_logging()
LOGGER.info("ours")
logging.getLogger("bentoml").error("theirs")
logging.getLogger("another").error("another's")
warnings.warn("a warning")
logging.getLogger("PIL.PngImagePlugin").error("about a client's image")
"""


def test_every_handler_writes_json_and_each_line_once() -> None:
    command = [sys.executable, "-c", CONFIGURED]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    messages = [json.loads(line)["message"] for line in result.stderr.splitlines()]
    assert messages[:3] == ["ours", "theirs", "another's"]
    (warning,) = messages[3:]
    assert "a warning" in warning
