"""Which images the sources of a command line name."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from batch.errors import UsageError
from batch.names import Naming
from batch.sources import Item, Listing, Shard

PNG = Naming("png")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with images, and with files that are none."""
    names = ("a.jpg", "b/c.JPG", "b/d.webp", "b/notes.txt", ".hidden/e.jpg", "out/a.png")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    return tmp_path


def outputs(*sources: Path | str, **arguments: object) -> list[str]:
    """Return the outputs of a listing, sorted."""
    listing = Listing([*map(str, sources)], PNG, **arguments)  # type: ignore[arg-type]
    return sorted(item.output for item in listing)


def test_a_folder_is_searched_for_images_outside_the_target(tree: Path) -> None:
    assert outputs(tree, target=tree / "out") == ["a.png", "b/c.png", "b/d.png"]
    (item,) = Listing([str(tree)], PNG, include=["a.jpg"])
    assert item == Item(f"{tree}/a.jpg", "a.png")


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        (["*.webp"], [], ["b/d.png"]),
        (["b/*"], ["*.txt"], ["b/c.png", "b/d.png"]),
        ([], ["b/*", "out/*"], ["a.png"]),
        (["notes.*"], [], ["b/notes.png"]),
    ],
)
def test_patterns_choose(
    tree: Path, include: Sequence[str], exclude: Sequence[str], found: list[str]
) -> None:
    assert outputs(tree, include=include, exclude=exclude) == found


def test_files_urls_and_lists_are_sources(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    Path("list.csv").write_text(
        "url,output\nhttps://a.example/x.jpg,\nb/d.webp,\n/a.jpg,named/here.jpg\n"
    )
    found = outputs("b/c.JPG", "https://b.example/y", "list.csv")
    assert found == ["a.example/x.png", "b.example/y.png", "b/d.png", "c.png", "named/here.png"]


def test_two_sources_of_one_output_are_refused_by_name(tree: Path) -> None:
    listing = Listing([str(tree), str(tree / "b" / "c.JPG"), str(tree / "a.jpg")], PNG)
    (tree / "out" / "a.png").unlink()
    with pytest.raises(UsageError, match=r"a\.jpg and .*a\.jpg would both be written to a\.png"):
        listing.check()


def test_shards_are_disjoint_and_complete(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"{n}.jpg\n" for n in range(100)))
    source = str(tmp_path / "list.txt")
    shares = [[*Listing([source], PNG, shard=Shard(number, 3))] for number in (1, 2, 3)]
    assert sorted(len(share) for share in shares)[0] > 20
    assert {item.output for share in shares for item in share} == {f"{n}.png" for n in range(100)}
    assert sum(map(len, shares)) == 100
    listing = Listing([source], PNG, shard=Shard(2, 3))
    assert listing.check() == len(shares[1])


def test_what_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        outputs(tmp_path / "missing")
    (tmp_path / "list.txt").write_text("..\n")
    with pytest.raises(UsageError, match="no name for an output"):
        outputs(tmp_path / "list.txt")


def test_names_that_are_not_unicode_are_listed(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.jpg")).touch()
    assert outputs(tmp_path) == ["\udcff.png"]
