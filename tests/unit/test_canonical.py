"""The canonical form of a link, to the byte."""

import pytest

from serving.links.canonical import MAX_QUERY_BYTES, canonical, parse_query


def test_the_form_of_the_documentation() -> None:
    fields = {"max_side": "800", "image_url": "https://example.com/a b.jpg?x=1&y=~é"}
    assert canonical(fields) == (
        "/remove-background?image_url=https%3A%2F%2Fexample.com%2Fa%20b.jpg%3Fx%3D1%26y%3D~%C3%A9"
        "&max_side=800"
    )


def test_only_unreserved_characters_are_not_encoded() -> None:
    unreserved = "ABYZabyz0189-._~"
    assert canonical({"a": unreserved}).endswith(f"a={unreserved}")
    others = [
        chr(code) for code in range(128) if not chr(code).isalnum() and chr(code) not in "-._~"
    ]
    assert canonical({"a": "".join(others)}).endswith(
        "a=" + "".join(f"%{ord(other):02X}" for other in others)
    )


@pytest.mark.parametrize(
    "query",
    [b"a=1&b=%C3%A9", b"b=%c3%a9&a=1", b"b=\xc3\xa9&%61=%31"],
    ids=["canonical", "reordered", "re-encoded"],
)
def test_one_request_has_one_form(query: bytes) -> None:
    assert canonical(parse_query(query)) == "/remove-background?a=1&b=%C3%A9"


def test_a_plus_is_a_plus() -> None:
    assert parse_query(b"a=1+2%2B3") == {"a": "1+2+3"}


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"a",
        b"a=1&",
        b"a=1&&b=2",
        b"a=1&a=1",
        b"a=1&%61=1",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%ff",
        b"%ff=a",
        b"a=%ed%a0%80",
        b"a=" + b"1" * MAX_QUERY_BYTES,
    ],
)
def test_what_parsers_could_read_differently_has_no_form(query: bytes) -> None:
    with pytest.raises(ValueError, match=r"query|parameter|decode"):
        parse_query(query)


def test_a_query_may_have_the_limit() -> None:
    assert len(parse_query(b"a=" + b"1" * (MAX_QUERY_BYTES - 2))["a"]) == MAX_QUERY_BYTES - 2
