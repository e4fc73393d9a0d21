"""What the command line names -> items: where an image is, and the name of its output."""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from batch.errors import UsageError
from batch.index import DiskIndex
from batch.lists import is_list, read_list
from batch.names import Naming, relative_url, scheme_of
from batch.stores import Store

# What is taken from a folder unless --include says otherwise. The format itself is detected from
# the content; a type that is not supported becomes a row that says so.
IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif"),
        *(".bmp", ".dib", ".tif", ".tiff", ".avif", ".heic", ".heif"),
    }
)
WEB_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Item:
    """One image to process.

    `source` is a path or a URL, and `output` a name relative to the target. `version` changes with
    the source's content; it is None if listing does not tell.
    """

    source: str
    output: str
    version: str | None = None


@dataclass(frozen=True)
class Shard:
    """Share `number` of `count`, from 1. An image's share depends on its output's name alone."""

    number: int = 1
    count: int = 1

    def has(self, output: str) -> bool:
        """Return whether an output belongs to this share."""
        digest = zlib.crc32(output.encode(errors="surrogatepass"))
        return digest % self.count == self.number - 1


@dataclass(frozen=True)
class Listing:
    """The items of some sources; they are listed anew by each iteration, as a stream.

    `target` is a folder that is not searched, or None. `include` and `exclude` are patterns of
    names, relative to a source or without their folders.
    """

    sources: Sequence[str]
    naming: Naming
    target: Path | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    shard: Shard = field(default_factory=Shard)
    column: str | None = None

    def __iter__(self) -> Iterator[Item]:
        """Yield the items of the shard. Raises UsageError."""
        return (item for item in self.everything() if self.shard.has(item.output))

    def everything(self) -> Iterator[Item]:
        """Yield the items of all shards. Raises UsageError."""
        for source in self.sources:
            yield from self._list(source)

    def check(self) -> int:
        """Return the number of items in the shard.

        Raises UsageError if two of all sources have one output, or if a source cannot be listed.
        """
        count, names = 0, DiskIndex()
        try:
            for item in self.everything():
                if not names.add(item.output):
                    raise UsageError(self._explain_clash(item))
                count += self.shard.has(item.output)
        finally:
            names.close()
        return count

    def _explain_clash(self, second: Item) -> str:
        first = next(item for item in self.everything() if item.output == second.output)
        return (
            f"{first.source} and {second.source} would both be written to {second.output}; "
            "exclude one, use --keep-suffix, or give a list with a column 'output'."
        )

    def _list(self, source: str) -> Iterator[Item]:
        scheme = scheme_of(source)
        if scheme in WEB_SCHEMES:
            yield from self._named(source, relative_url(source))
        elif scheme:
            yield from self._list_store(source)
        elif (path := Path(source)).is_dir():
            for relative in _walk(path, self.target):
                yield from self._found(str(path / relative), relative)
        elif not path.exists():
            raise UsageError(f"The source {source} does not exist.")
        elif is_list(path):
            for entry in read_list(path, self.column):
                # An output may be named with the suffix of any image: it is replaced.
                naming = self.naming._replace(keeps_suffix=False)
                output = entry.output and naming.output(entry.output)
                yield from self._named(entry.source, _relative(entry.source), output=output)
        else:
            yield from self._named(source, path.name)

    def _list_store(self, source: str) -> Iterator[Item]:
        for found in Store(source).walk():
            yield from self._found(found.url, found.relative, found.version)

    def _found(self, source: str, relative: str, version: str | None = None) -> Iterator[Item]:
        """Yield the item of a file that was found, if it is an image by its name."""
        if self.include or os.path.splitext(relative)[1].lower() in IMAGE_SUFFIXES:
            yield from self._named(source, relative, version)

    def _named(
        self, source: str, relative: str, version: str | None = None, output: str | None = None
    ) -> Iterator[Item]:
        if self.include and not _matches(relative, self.include):
            return
        if _matches(relative, self.exclude):
            return
        output = output or self.naming.output(relative)
        if not output:
            raise UsageError(f"The source {source!r} has no name for an output.")
        yield Item(source, output, version)


def _relative(source: str) -> str:
    """Return the name of an entry of a list: a URL without its scheme, or a path."""
    scheme = scheme_of(source)
    if scheme in WEB_SCHEMES:
        return relative_url(source)
    return source[len(scheme) + 3 :] if scheme else source


def _matches(relative: str, patterns: Sequence[str]) -> bool:
    name = relative.rpartition("/")[2]
    return any(fnmatch(relative, pattern) or fnmatch(name, pattern) for pattern in patterns)


def _walk(root: Path, left_out: Path | None) -> Iterator[str]:
    """Yield the files under a folder, relative to it, but none under `left_out`.

    Hidden files and folders, and links to folders, are left out. Raises UsageError.
    """
    excluded = None if left_out is None else left_out.resolve()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    relative = f"{folder}{entry.name}"
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if Path(entry.path).resolve() != excluded:
                            waiting.append(f"{relative}/")
                    elif not entry.is_dir():
                        yield relative
        except OSError as exc:
            raise UsageError(f"The folder {root / folder} cannot be read: {exc}.") from exc
