"""Lists of sources."""

import json
from pathlib import Path

import pytest

from batch.errors import UsageError
from batch.lists import Entry, is_list, read_list


def entries(folder: Path, name: str, content: str, column: str | None = None) -> list[Entry]:
    """Return the entries of a list with this content."""
    (folder / name).write_text(content)
    return list(read_list(folder / name, column))


def test_text_has_a_source_per_line(tmp_path: Path) -> None:
    content = "\ufeffa.jpg\n\n# a comment\n  https://a.example/b c.jpg \n"
    assert entries(tmp_path, "a.txt", content) == [
        Entry("a.jpg"),
        Entry("https://a.example/b c.jpg"),
    ]


def test_csv_has_a_column(tmp_path: Path) -> None:
    content = '\ufeffid,url,output\n1,"https://a.example/b,c.jpg",first\n2,,\n3,d.jpg,\n'
    assert entries(tmp_path, "a.csv", content) == [
        Entry("https://a.example/b,c.jpg", "first"),
        Entry("d.jpg"),
    ]
    assert entries(tmp_path, "a.csv", content, column="id")[0] == Entry("1", "first")


def test_jsonl_has_objects_or_strings(tmp_path: Path) -> None:
    rows = [{"path": "a.jpg", "output": "x/a"}, "b.jpg"]
    content = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    assert entries(tmp_path, "a.jsonl", content) == [Entry("a.jpg", "x/a"), Entry("b.jpg")]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", "id,name\n1,2\n", "no column source or image_url"),
        ("a.csv", "", "no column"),
        ("a.jsonl", '{"path": "a"}\n{"path"\n', "Line 2 .* is not JSON"),
        ("a.jsonl", "3\n", "Line 1 .* neither an object nor a string"),
        ("a.parquet", "no", "pyarrow|not Parquet"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        entries(tmp_path, name, content)


def test_a_list_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_list(tmp_path / "a.txt"))


def test_the_suffix_tells_a_list() -> None:
    lists = ("a.TXT", "a.csv", "a.jsonl", "a.ndjson", "a.parquet")
    assert all(is_list(Path(name)) for name in lists)
    assert not is_list(Path("a.jpg"))
