"""Forms whose files stay in memory, and whose long fields go to sinks."""

import tempfile
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import starlette
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from compat import MovedError
from compat import starlette as compat_starlette
from compat.starlette import FormReader, check, content, read_urlencoded

HEADERS = Headers({"content-type": "multipart/form-data; boundary=b"})


def test_the_locked_version_passes() -> None:
    check()


@pytest.mark.parametrize(
    ("owner", "name", "what"),
    [
        (MultiPartParser, "spool_max_size", "spool_max_size"),
        (MultiPartParser, "on_part_data", "on_part_data"),
        (FormParser, "on_field_data", "on_field_data"),
        (compat_starlette, "SpooledTemporaryFile", "a form's file that stays in memory"),
    ],
)
def test_a_missing_api_is_named(
    owner: object, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, object())
    with pytest.raises(MovedError, match=f"^Starlette {starlette.__version__} .*{what}"):
        check()


def reader(*parts: tuple[str, bytes], **limits: Any) -> FormReader:
    """Return a reader of a form; a part whose name is `file` is a file."""

    async def stream() -> AsyncGenerator[bytes, None]:
        for name, value in parts:
            filename = '; filename="a"' if name == "file" else ""
            yield f'--b\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode()
            yield value + b"\r\n"
        yield b"--b--\r\n"

    most: dict[str, Any] = {"max_fields": 2, "max_field_bytes": 10, "max_file_bytes": 5_000_000}
    return FormReader(HEADERS, stream(), **most | limits)


async def test_a_file_of_any_allowed_size_stays_in_memory() -> None:
    sent = bytes(4_000_000)  # over Starlette's own limit of 1 MB
    form = await reader(("file", sent), ("margin", b"5")).read()
    file = form["file"]
    assert isinstance(file, UploadFile)
    assert content(file) == sent
    assert form["margin"] == "5"


async def test_a_file_on_disk_is_refused() -> None:
    """Where /tmp is memory, it would be memory that nothing counts."""
    with tempfile.SpooledTemporaryFile(max_size=1) as spooled:
        spooled.write(b"too much")
        with pytest.raises(MovedError, match="memory"):
            content(UploadFile(spooled))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "parts",
    [
        [("file", b"x"), ("file", b"y")],
        [("a", b""), ("b", b""), ("c", b"")],
        [("a", b"x" * 11)],
    ],
)
async def test_a_form_over_its_limits_is_refused(parts: list[tuple[str, bytes]]) -> None:
    with pytest.raises(MultiPartException):
        await reader(*parts).read()


async def test_a_long_text_goes_to_its_sink_piece_by_piece() -> None:
    pieces: list[bytes] = []
    form = await reader(("long", b"x" * 500_000), ("a", b"5"), sinks={"long": pieces.append}).read()
    assert b"".join(pieces) == b"x" * 500_000
    assert dict(form) == {"long": "", "a": "5"}


async def test_a_file_of_that_name_goes_to_no_sink() -> None:
    form = await reader(("file", b"x" * 50), sinks={"file": pytest.fail}).read()
    assert isinstance(form["file"], UploadFile)


async def test_a_form_may_have_more_files() -> None:
    form = await reader(("file", b"x"), ("file", b"y"), max_files=2).read()
    assert [content(file) for file in form.getlist("file") if isinstance(file, UploadFile)] == [
        b"x",
        b"y",
    ]


async def test_an_urlencoded_form_has_sinks_too() -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield b"a=%20b+c&lo"
        yield b"ng=" + b"%2B" * 1000
        yield b"&d=5"

    pieces: list[bytes] = []
    form = await read_urlencoded(
        Headers(), stream(), max_fields=3, max_field_bytes=10, sinks={"long": pieces.append}
    )
    assert b"".join(pieces) == b"%2B" * 1000
    assert dict(form) == {"a": " b c", "long": "", "d": "5"}


@pytest.mark.parametrize("body", [b"a=1&b=2&c=3", b"a=" + b"x" * 11])
async def test_an_urlencoded_form_over_its_limits_is_refused(body: bytes) -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    with pytest.raises(MultiPartException):
        await read_urlencoded(Headers(), stream(), max_fields=2, max_field_bytes=10, sinks={})
