"""Reading sources."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch.reading import Limits, Reader
from pipeline.errors import (
    BackgroundRemovalError,
    SourceHTTPError,
    SourceTimeout,
    SourceTooLarge,
    SourceUnreachable,
    URLNotAllowed,
)
from tests.support.faults import faulty_source_in_a_thread, for_ever, sends, with_length

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def reader() -> Iterator[Reader]:
    with closing(Reader(Limits(max_bytes=5))) as reader:
        yield reader


def test_a_file_is_read_and_its_version_changes(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"image")
    version = reader.version(str(path))
    assert reader.read(str(path)) == b"image"
    os.utime(path, ns=(0, 1))
    assert reader.version(str(path)) != version


def test_files_that_never_end_or_are_too_large_are_refused(reader: Reader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"image+")
    for source in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(SourceUnreachable, match="not a regular file"):
            reader.read(str(source))
    with pytest.raises(SourceTooLarge):
        reader.read(str(tmp_path / "large"))


@pytest.mark.parametrize("name", ["missing", "a\0b"])
def test_a_missing_file_has_a_sentence(reader: Reader, tmp_path: Path, name: str) -> None:
    for ask in (reader.read, reader.version):
        with pytest.raises(SourceUnreachable, match="could not be read"):
            ask(str(tmp_path / name))


def test_urls_go_through_the_guard(reader: Reader) -> None:
    assert reader.version("https://a.example/") == ""
    for url in ("http://127.0.0.1/", "https://localhost/", "http://user@a.com/"):
        with pytest.raises(URLNotAllowed):
            reader.read(url)


def test_an_allowed_host_is_downloaded_within_the_limits() -> None:
    faults = {
        "image": sends(with_length(b"5", b"image")),
        "missing": sends(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"),
        "drip": for_ever(with_length(b"40", b""), b"x", 0.05),
        "endless": for_ever(OK + b"Connection: close\r\n\r\n", b"x" * 1000),
    }
    expected: dict[str, type[BackgroundRemovalError]] = {
        "missing": SourceHTTPError,
        "drip": SourceTimeout,
        "endless": SourceTooLarge,
    }
    with faulty_source_in_a_thread(faults) as source:
        limits = Limits(50, 0.3, [("127.0.0.1", source.port)])
        with closing(Reader(limits)) as reader:
            assert reader.read(source.url("image")) == b"image"
            for name, error in expected.items():
                with pytest.raises(error):
                    reader.read(source.url(name))


def test_objects_of_stores_are_sources(reader: Reader) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/reading/a.jpg", b"image")
    assert reader.read("memory://reading/a.jpg") == b"image"
    assert reader.version("memory://reading/a.jpg").startswith("5-")
