"""Every use of a private API of a library, one file per library.

Each file has a `check`, which runs before the service starts and raises MovedError if a new version
of the library has changed that API.

    bentoml.py      disables timeouts, limits metrics, provides the tracer, passes requests unread
    onnxruntime.py  a memory arena that sessions share and that can be shrunk
    pillow.py       state of the decoders, and libwebp
    starlette.py    forms whose file stays in memory
    uvicorn.py      the open connections, to abort one

These modules import nothing else of the project.
"""

from collections.abc import Callable, Mapping


class MovedError(Exception):
    """A library lacks a private API. The message is one sentence that names library and version."""

    def __init__(self, library: str, version: str, what: str) -> None:
        super().__init__(
            f"{library} {version} lacks a private API that this service uses: {what}; "
            "install the locked version."
        )


def require(library: str, version: str, probes: Mapping[str, Callable[[], bool]]) -> None:
    """Raise MovedError for the first probe that returns False or fails.

    `probes` maps a description of each private API to the function that looks for it.
    """
    for what, is_there in probes.items():
        try:
            fits = is_there()
        except Exception as exc:
            raise MovedError(library, version, what) from exc
        if not fits:
            raise MovedError(library, version, what)
