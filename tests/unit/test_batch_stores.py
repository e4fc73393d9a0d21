"""Object stores, by fsspec's store in memory; tests/contract/test_batch_stores.py has S3."""

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from batch.errors import ImageFailed, UsageError
from batch.stores import Store, describe, version_of
from pipeline.errors import SourceTooLarge, SourceUnreachable


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's store in memory, with two images."""
    store = fsspec.filesystem("memory")
    store.pipe({"/stores/a.jpg": b"a", "/stores/b/c.jpg": b"cc"})
    yield store
    store.rm("/stores", recursive=True)


def test_a_place_is_walked(memory: Any) -> None:
    found = sorted(Store("memory://stores/").walk())
    assert [one.relative for one in found] == ["a.jpg", "b/c.jpg"]
    assert [one.url for one in found] == ["memory://stores/a.jpg", "memory://stores/b/c.jpg"]
    assert found[1].version == Store(found[1].url).version()
    memory.pipe_file("/stores/b/c.jpg", b"other")
    assert found[1].version != Store(found[1].url).version()


def test_one_object_is_found_by_its_name(memory: Any) -> None:
    (found,) = Store("memory://stores/b/c.jpg").walk()
    assert (found.url, found.relative) == ("memory://stores/b/c.jpg", "c.jpg")


def test_objects_are_read_within_the_limit(memory: Any) -> None:
    assert Store("memory://stores/b/c.jpg").read(2, 10) == b"cc"
    with pytest.raises(SourceTooLarge):
        Store("memory://stores/b/c.jpg").read(1, 10)
    for ask in (Store.version, lambda store: store.read(1, 10)):
        with pytest.raises(SourceUnreachable, match="does not exist"):
            ask(Store("memory://stores/missing"))


def test_what_a_library_refuses_is_one_sentence(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied.\nRequest 4711")

    for name in ("pipe_file", "walk", "cat_file"):
        monkeypatch.setattr(type(memory), name, refuse)
    with pytest.raises(ImageFailed, match=r"The store refused it: Access Denied\.$"):
        Store("memory://stores").write("a.png", b"x", "image/png", 10)
    with pytest.raises(UsageError, match=r"cannot be listed: Access Denied\.$"):
        list(Store("memory://stores").walk())
    with pytest.raises(SourceUnreachable, match=r"Access Denied\.$"):
        Store("memory://stores/a.jpg").read(10, 10)


def test_a_missing_place_and_an_unknown_store_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be listed"):
        list(Store("memory://nothing-here").walk())
    with pytest.raises(UsageError, match="not a URL of a store"):
        Store("nonsense://a")


def test_an_etag_is_a_version_and_size_and_time_are_another() -> None:
    assert version_of({"ETag": '"abc"', "size": 1}) == "abc"
    assert version_of({"size": 1, "LastModified": "now"}) == "1-now"
    assert version_of({"size": 1}) == "1-"


def test_an_error_without_a_message_has_its_name() -> None:
    assert describe(KeyError()) == "KeyError"
