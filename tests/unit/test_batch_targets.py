"""Writing outputs: whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from batch.errors import ImageFailed, RunStopped, UsageError
from batch.targets import FolderTarget, StoreTarget, open_target


def test_an_output_is_written_into_its_folder_and_replaced(tmp_path: Path) -> None:
    target = open_target(str(tmp_path / "new" / "out"))
    assert not target.has("a/b.png")
    for content in (b"first", b"second"):
        target.write("a/b.png", content, "image/png")
        assert target.read("a/b.png", 100) == content
    assert target.has("a/b.png")
    assert [path.name for path in (tmp_path / "new" / "out" / "a").iterdir()] == ["b.png"]


def test_an_empty_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert not FolderTarget(tmp_path).has("a.png")


def test_one_output_that_cannot_be_written_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    (tmp_path / "file").touch()
    for name in ("a.png", "file/b.png"):
        with pytest.raises(ImageFailed, match="could not be written") as caught:
            FolderTarget(tmp_path).write(name, b"x", "image/png")
        assert caught.value.code == "write_failed"
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "file"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_or_read_only_disk_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    target = FolderTarget(tmp_path)
    target.write("a.png", b"old", "image/png")

    def fail(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(RunStopped, match=os.strerror(number)):
        target.write("a.png", b"new", "image/png")
    assert target.read("a.png", 100) == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_what_is_no_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        open_target(str(tmp_path / "file"))
    with pytest.raises(UsageError, match="name a folder or a store"):
        open_target("https://a.example/")


def test_a_store_gets_objects() -> None:
    target = open_target("memory://targets/out/")
    assert isinstance(target, StoreTarget)
    target.write("a/b.png", b"content", "image/png")
    assert target.read("a/b.png", 100) == b"content"
    assert target.has("a/b.png")
    assert target.folder is None
