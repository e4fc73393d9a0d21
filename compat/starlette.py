"""Starlette: forms whose file stays in memory."""

import io
from collections.abc import AsyncGenerator
from tempfile import SpooledTemporaryFile

import starlette
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartParser

from compat import MovedError, require


class FormReader:
    """Reads a form with one file, which stays in memory.

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
    ) -> None:
        self._parser = MultiPartParser(
            headers, stream, max_files=1, max_fields=max_fields, max_part_size=max_field_bytes
        )
        self._parser.spool_max_size = max_file_bytes

    async def read(self) -> FormData:
        """Parse the form. Raises MultiPartException, LookupError or ValueError if it is invalid."""
        return await self._parser.parse()


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
    """Raise MovedError unless Starlette keeps a file up to a given size in memory."""
    require(
        "Starlette",
        starlette.__version__,
        {
            "MultiPartParser.spool_max_size": lambda: isinstance(
                MultiPartParser.spool_max_size, int
            ),
            "a form's file that stays in memory": _stays_in_memory,
        },
    )


def _stays_in_memory() -> bool:
    with SpooledTemporaryFile(max_size=1) as spooled:
        return isinstance(vars(spooled)["_file"], io.BytesIO)
