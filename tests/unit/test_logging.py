import json
import logging

import pytest

from serving.logging import JSONFormatter, request_id_context


def line_of(message: str, **fields: object) -> str:
    record = logging.LogRecord("name", logging.WARNING, __file__, 1, message, (), None)
    record.fields = fields
    return JSONFormatter().format(record)


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x9b2J", "\x7f", "\u2028", "\u202e", "é", "\ud800", "\r\n"]
)
def test_a_line_is_printable_ascii_whatever_is_in_it(text: str) -> None:
    line = line_of(f"a{text}b", path=f"/{text}")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"a{text}b"
    assert json.loads(line)["path"] == f"/{text}"


def test_a_line_carries_the_requests_id_where_there_is_a_request() -> None:
    assert "request_id" not in json.loads(line_of("outside"))
    token = request_id_context.set("0123456789abcdef")
    assert json.loads(line_of("inside"))["request_id"] == "0123456789abcdef"
    request_id_context.reset(token)
