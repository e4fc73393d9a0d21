"""The index on disk."""

from batch.index import DiskIndex, digest


def test_it_maps_texts_to_numbers() -> None:
    index = DiskIndex()
    assert index.get("a") is None
    index["a"] = -(2**63)
    assert index.get("a") == -(2**63)
    index["a"] = 2**63 - 1
    assert index.get("a") == 2**63 - 1
    index.close()


def test_adding_tells_what_is_new() -> None:
    index = DiskIndex()
    assert index.add("a", 1)
    assert not index.add("a", 2)
    assert index.get("a") == 1
    index.close()


def test_names_that_are_not_unicode_have_a_digest() -> None:
    assert digest("\udcff") != digest("\udcfe")
    assert -(2**63) <= digest("a") < 2**63
