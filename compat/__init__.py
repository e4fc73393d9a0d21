"""Every use of a private API of a library, one file a library.

Each has a `check`, run before the service starts, that raises MovedError when the library has moved.

    bentoml.py      timeouts and metrics that cannot be configured, the tracer, requests handed on unread
    onnxruntime.py  an arena that can be shrunk
    pillow.py       what decoders keep, and libwebp
    starlette.py    an uploaded file, in memory
    uvicorn.py      open connections

Nothing else of the project is imported here.
"""

from collections.abc import Callable, Mapping


class MovedError(Exception):
    """A library's private API is not where it was; the message is one sentence that names the library and its version."""

    def __init__(self, library: str, version: str, what: str) -> None:
        super().__init__(
            f"{library} {version} has moved what this service uses of it: {what}; install the locked version."
        )


def require(library: str, version: str, probes: Mapping[str, Callable[[], bool]]) -> None:
    """Raise MovedError for the first probe, named by what it looks for, that is false or fails."""
    for what, is_there in probes.items():
        try:
            fits = is_there()
        except Exception as exc:
            raise MovedError(library, version, what) from exc
        if not fits:
            raise MovedError(library, version, what)
