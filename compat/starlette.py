"""Starlette: forms whose files stay in memory, and whose long fields go to sinks as they arrive."""

import inspect
import io
from collections.abc import AsyncGenerator, Callable, Mapping
from tempfile import SpooledTemporaryFile
from types import MappingProxyType
from urllib.parse import unquote_plus

import starlette
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartParser

from compat import MovedError, require

# Where the text of a field goes, piece by piece, by the field's name.
Sinks = Mapping[str, Callable[[bytes], object]]

_NO_SINKS: Sinks = MappingProxyType({})


class _MultiPartParser(MultiPartParser):
    """Passes the text of some fields to sinks. In the form, their value is the empty string."""

    sinks: Sinks = _NO_SINKS

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a part."""
        part = self._current_part
        sink = self.sinks.get(part.field_name) if part.file is None else None
        if sink is None:
            super().on_part_data(data, start, end)
        else:
            sink(data[start:end])


class _FormParser(FormParser):
    """Passes the percent-encoded text of some fields to sinks, as `_MultiPartParser` does."""

    sinks: Sinks = _NO_SINKS

    def on_field_data(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a field's value."""
        sink = self.sinks.get(unquote_plus(self._field_name.decode("latin-1")))
        if sink is None:
            super().on_field_data(data, start, end)
        else:
            sink(data[start:end])


class FormReader:
    """Reads a form with files, which stay in memory.

    `serving.memory_budget` counts it there. A file in /tmp could be memory too, uncounted.
    """

    def __init__(
        self,
        headers: Headers,
        stream: AsyncGenerator[bytes, None],
        *,
        max_fields: int,
        max_field_bytes: int,
        max_file_bytes: int,
        max_files: int = 1,
        sinks: Sinks = _NO_SINKS,
    ) -> None:
        self._parser = _MultiPartParser(
            headers,
            stream,
            max_files=max_files,
            max_fields=max_fields,
            max_part_size=max_field_bytes,
        )
        self._parser.spool_max_size = max_file_bytes
        self._parser.sinks = sinks

    async def read(self) -> FormData:
        """Parse the form. Raises MultiPartException, LookupError or ValueError if it is invalid."""
        return await self._parser.parse()


async def read_urlencoded(
    headers: Headers,
    stream: AsyncGenerator[bytes, None],
    *,
    max_fields: int,
    max_field_bytes: int,
    sinks: Sinks,
) -> FormData:
    """Parse an urlencoded form. Raises MultiPartException or ValueError if it is invalid."""
    parser = _FormParser(headers, stream, max_fields=max_fields, max_part_size=max_field_bytes)
    parser.sinks = sinks
    return await parser.parse()


def content(file: UploadFile) -> bytes:
    """Return the bytes of a file read by FormReader, without the copy that `read` would make.

    Raises MovedError.
    """
    spooled = file.file
    buffer = getattr(spooled, "_file", None)
    if not isinstance(spooled, SpooledTemporaryFile) or not isinstance(buffer, io.BytesIO):
        raise MovedError("Starlette", starlette.__version__, "a form's file that stays in memory")
    return buffer.getvalue()


def check() -> None:
    """Raise MovedError if a private API used here is missing or behaves differently."""
    require(
        "Starlette",
        starlette.__version__,
        {
            "MultiPartParser.spool_max_size": lambda: isinstance(
                MultiPartParser.spool_max_size, int
            ),
            "a form's file that stays in memory": _stays_in_memory,
            "MultiPartParser.on_part_data": lambda: _takes_pieces(MultiPartParser.on_part_data),
            "FormParser.on_field_data": lambda: _takes_pieces(FormParser.on_field_data),
            "MultiPartParser._current_part": lambda: hasattr(
                MultiPartParser(Headers(), _nothing()), "_current_part"
            ),
            "FormParser._field_name": lambda: hasattr(
                FormParser(Headers(), _nothing()), "_field_name"
            ),
        },
    )


def _stays_in_memory() -> bool:
    with SpooledTemporaryFile(max_size=1) as spooled:
        return isinstance(vars(spooled)["_file"], io.BytesIO)


def _takes_pieces(method: Callable[..., None]) -> bool:
    return callable(method) and [*inspect.signature(method).parameters][1:] == [
        *("data", "start", "end")
    ]


async def _nothing() -> AsyncGenerator[bytes, None]:
    yield b""
