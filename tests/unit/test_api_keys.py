import pytest
from starlette.datastructures import Headers

from serving.api_keys import ApiKeys
from serving.errors import Unauthorized


def headers(name: str, value: bytes) -> Headers:
    return Headers(raw=[(name.encode(), value)])


@pytest.mark.parametrize("key", ["plain", "schlüssel", "ключ", "鍵"])
def test_a_key_is_known_in_every_encoding_that_clients_send(key: str) -> None:
    keys = ApiKeys(["another", key])
    keys.check(headers("x-api-key", key.encode()))
    keys.check(headers("authorization", b"Bearer " + key.encode()))
    if key in ("plain", "schlüssel"):
        keys.check(headers("x-api-key", key.encode("latin-1")))


@pytest.mark.parametrize(
    "given", [b"", b"anothe", b"another ", b"ANOTHER", b"\xff", "ключи".encode()]
)
def test_what_is_no_key_is_refused(given: bytes) -> None:
    keys = ApiKeys(["another", "ключ"])
    with pytest.raises(Unauthorized):
        keys.check(headers("x-api-key", given))
    with pytest.raises(Unauthorized):
        keys.check(headers("authorization", given))


def test_without_keys_the_service_is_open() -> None:
    ApiKeys([]).check(Headers(raw=[]))
