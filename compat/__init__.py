"""Every use of a private API of a library, one file a library; each has a `check()` that raises MovedError when the library moved.

This is the lowest layer: it imports neither `pipeline` nor `serving`.
"""


class MovedError(Exception):
    """A library's private API is not where it was; the message is one sentence that names the library and its version."""
