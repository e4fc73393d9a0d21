"""Signatures of links: what is accepted, what is refused, and how long a refusal takes."""

import base64
import hashlib
import hmac
import statistics
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import ExpiredSignature, InvalidRequest, InvalidSignature
from serving.links.canonical import MAX_QUERY_BYTES, canonical
from serving.links.signature import URLKeys, sign, signed_url
from tests.support.environment import ROOT, Record
from tests.support.link_mutations import FIELDS, KEY, is_same, mutated, signed_query

URL = {"image_url": "https://example.com/a.jpg"}
KEYS = URLKeys([KEY])


def test_the_signature_is_hmac_sha256_of_the_canonical_form() -> None:
    form = b"/remove-background?image_url=https%3A%2F%2Fexample.com%2Fa.jpg"
    digest = hmac.new(KEY, form, hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(digest).decode()[:43]
    assert sign(KEY, form.decode()) == expected
    assert signed_url("http://a.com/", KEY, URL) == (
        f"http://a.com{form.decode()}&signature={expected}"
    )


def test_the_example_of_the_documentation() -> None:
    text = (ROOT / "docs" / "links.md").read_text()
    form = canonical({"image_url": "https://example.com/photo.jpg", "max_side": "800"})
    assert f"   {form}\n" in text
    assert f"`{sign(KEY, form)}`" in text


@given(fields=FIELDS)
@settings(max_examples=50)
def test_a_signed_request_is_returned(fields: dict[str, str]) -> None:
    fields.pop("expires", None)
    link = KEYS.verify(signed_query(fields).encode(), 0)
    assert (link.fields, link.expires) == (fields, None)


def assert_refused_unless_same(data: st.DataObject) -> None:
    """Mutate a signed query."""
    query = signed_query(data.draw(FIELDS))
    changed = data.draw(mutated(query))
    try:
        KEYS.verify(changed.encode(), 0)
    except InvalidSignature:
        assert not is_same(changed, query)
    except InvalidRequest:
        assert is_same(changed, query)
    else:
        assert is_same(changed, query)


@given(data=st.data())
@settings(max_examples=300)
def test_a_mutation_is_refused_unless_it_is_the_same_request(data: st.DataObject) -> None:
    assert_refused_unless_same(data)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=10_000)
def test_10000_mutations_are_refused_unless_they_are_the_same_request(data: st.DataObject) -> None:
    assert_refused_unless_same(data)


def test_every_bit_of_the_signature_counts() -> None:
    """Also the two bits of the last character that base64 does not use."""
    query = signed_query(URL)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    start = len(query) - 43
    for place in range(start, len(query)):
        for bit in range(6):
            letter = alphabet[alphabet.index(query[place]) ^ 1 << bit]
            with pytest.raises(InvalidSignature):
                KEYS.verify((query[:place] + letter + query[place + 1 :]).encode(), 0)
    for other in (f"{query}=", f"{query}%3D", query[:-1], query[:start]):
        with pytest.raises(InvalidSignature):
            KEYS.verify(other.encode(), 0)


def test_keys_can_be_rotated() -> None:
    rotated = URLKeys([b"n" * 32, KEY])
    assert rotated.verify(signed_query(URL).encode(), 0).fields == URL
    with pytest.raises(InvalidSignature):
        URLKeys([b"n" * 32]).verify(signed_query(URL).encode(), 0)


def test_a_link_is_valid_until_it_expires() -> None:
    query = signed_query({**URL, "expires": "1000"}).encode()
    link = KEYS.verify(query, 999.9)
    assert (link.fields, link.expires) == (URL, 1000)
    with pytest.raises(ExpiredSignature):
        KEYS.verify(query, 1000)


def test_whether_a_link_has_expired_is_told_to_its_owner_only() -> None:
    query = signed_query({**URL, "expires": "1000"}).replace("expires=1000", "expires=1001")
    with pytest.raises(InvalidSignature):
        KEYS.verify(query.encode(), 5000)


@pytest.mark.parametrize("expires", ["", "1.5", "-1", "+1", "1e9", "٣", "never", "1" * 13])
def test_an_expiry_is_a_whole_number_of_seconds(expires: str) -> None:
    with pytest.raises(InvalidRequest):
        KEYS.verify(signed_query({**URL, "expires": expires}).encode(), 0)


@pytest.mark.slow  # a time: other work beside it must not fail `make test`
def test_a_refusal_takes_less_than_a_millisecond(record_property: Record) -> None:
    long = quote("/" * (MAX_QUERY_BYTES // 3 - 50), safe="")
    for query in (signed_query(URL)[:-1] + "!", f"image_url={long}&signature=x", "x"):
        seconds = []
        for _ in range(50):
            started = time.perf_counter()
            with pytest.raises(InvalidSignature):
                KEYS.verify(query.encode(), 0)
            seconds.append(time.perf_counter() - started)
        assert min(seconds) < 1e-3
        record_property("ms to refuse a signature", statistics.median(seconds) * 1000)


@pytest.mark.slow
def test_the_time_of_a_refusal_tells_nothing_of_the_signature() -> None:
    """Refuse signatures that are right up to a place, in turn, and compare the fastest halves."""
    query = signed_query(URL)
    start = len(query) - 43
    wrong = [f"{query[: start + right]}{'!' * (43 - right)}".encode() for right in (0, 21, 42)]
    seconds: list[list[int]] = [[], [], []]
    for turn in range(30_000):
        started = time.perf_counter_ns()
        try:
            KEYS.verify(wrong[turn % 3], 0)
        except InvalidSignature:
            seconds[turn % 3].append(time.perf_counter_ns() - started)
    medians = [statistics.median(sorted(times)[: len(times) // 2]) for times in seconds]
    assert max(medians) / min(medians) < 1.02, medians
