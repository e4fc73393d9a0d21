"""One string of a JSON text is passed on as it arrives; the rest of the text is kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import InvalidRequest
from serving.removebg.json_text import JSONSplitter

PIECES = [1, 2, 5, 1000]


class Collector:
    """A sink that keeps the text."""

    def __init__(self) -> None:
        self.text = b""

    def write(self, text: bytes) -> None:
        self.text += text


def split(text: str, piece: int, max_bytes: int = 1000) -> tuple[bytes, Any]:
    """Return what was passed on of the value of `long`, and the rest, parsed."""
    sink = Collector()
    splitter = JSONSplitter("long", sink, max_bytes)
    data = text.encode()
    for start in range(0, len(data), piece):
        splitter.write(data[start : start + piece])
    return sink.text, json.loads(splitter.read())


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("text", "passed_on"),
    [
        ('{"long": "ab+/", "a": "x"}', b"ab+/"),
        ('{"a": "x", "long" :\n"ab+/"}', b"ab+/"),
        (r'{"long": "ab+\/", "a": "x"}', b"ab+/"),
        (r'{"long": "ab\u002b\u002F", "a": "x"}', b"ab+/"),
        (r'{"a": "x", "long": "ab\n+/"}', b"ab\n+/"),
        ('{"a": "x", "long": ""}', b""),
    ],
)
def test_the_value_is_passed_on_without_escapes(text: str, passed_on: bytes, piece: int) -> None:
    assert split(text, piece) == (passed_on, {"a": "x", "long": ""})


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "fields",
    [
        {"a": '"long": "no"'},
        {'x"long': "no"},
        {"longer": "no", "a": "\\"},
        {"a": "long", "b": "no"},
        {"long": 5},
        {"ä": '\\"', "b": ["long", "no"]},
    ],
)
def test_nothing_else_is_passed_on(fields: dict[str, Any], piece: int) -> None:
    assert split(json.dumps(fields), piece) == (b"", fields)


@given(
    st.dictionaries(
        st.sampled_from(["a", "long", 'x"', "\\", "é"]),
        st.text(st.sampled_from('a/+"\\:é{long} ')) | st.none() | st.integers(),
    ),
    st.integers(1, 9),
)
def test_the_rest_is_what_json_reads(fields: dict[str, Any], piece: int) -> None:
    if {*str(fields.get("long", ""))} & {*'\\"é'}:
        fields.pop("long")  # base64 has none of these
    expected = fields | ({"long": ""} if isinstance(fields.get("long"), str) else {})
    passed_on, rest = split(json.dumps(fields), piece)
    assert rest == expected
    if isinstance(value := fields.get("long"), str):
        assert passed_on.decode() == value


def test_a_long_rest_is_refused_as_it_arrives() -> None:
    with pytest.raises(InvalidRequest, match="larger than 10 bytes"):
        split('{"a": "xxxxxx', piece=5, max_bytes=10)


@pytest.mark.parametrize("text", [r'{"long": "\q"}', r'{"long": "\u00e9"}'])
def test_a_broken_escape_sequence_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        split(text, piece=100)
