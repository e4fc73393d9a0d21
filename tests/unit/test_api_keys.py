"""API keys in either header and either encoding."""

import pytest
from starlette.datastructures import Headers

from serving.api_keys import ApiKeys
from serving.errors import Unauthorized


def headers(name: str, value: bytes) -> Headers:
    return Headers(raw=[(name.encode(), value)])


@pytest.mark.parametrize("key", ["plain", "schlüssel", "ключ", "鍵"])
def test_a_key_is_accepted_in_both_headers_and_encodings(key: str) -> None:
    keys = ApiKeys(["another", key])
    keys.check(headers("x-api-key", key.encode()))
    keys.check(headers("authorization", b"Bearer " + key.encode()))


@pytest.mark.parametrize("key", ["plain", "schlüssel"])
def test_a_key_may_be_sent_in_latin_1(key: str) -> None:
    ApiKeys([key]).check(headers("x-api-key", key.encode("latin-1")))


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER"])
def test_the_scheme_of_a_bearer_token_has_no_case(scheme: bytes) -> None:
    ApiKeys(["key"]).check(headers("authorization", scheme + b"  key"))


@pytest.mark.parametrize("value", [b"Basic key", b"key", b"Bearerkey"])
def test_another_scheme_is_refused(value: bytes) -> None:
    with pytest.raises(Unauthorized):
        ApiKeys(["key"]).check(headers("authorization", value))


def test_a_request_without_a_key_is_refused() -> None:
    with pytest.raises(Unauthorized):
        ApiKeys(["key"]).check(Headers(raw=[]))


@pytest.mark.parametrize(
    "given", [b"", b"anothe", b"another ", b"ANOTHER", b"\xff", "ключи".encode()]
)
def test_any_other_value_is_refused(given: bytes) -> None:
    keys = ApiKeys(["another", "ключ"])
    with pytest.raises(Unauthorized):
        keys.check(headers("x-api-key", given))
    with pytest.raises(Unauthorized):
        keys.check(headers("authorization", b"Bearer " + given))
    with pytest.raises(Unauthorized):
        keys.check(headers("authorization", given))


def test_without_configured_keys_every_request_is_accepted() -> None:
    ApiKeys([]).check(Headers(raw=[]))
