"""Make one error of every class."""

from pipeline.errors import BackgroundRemovalError, ImageTooLarge, SourceHTTPError, SourceTooLarge
from serving.responses import STATUSES


def every_error() -> list[BackgroundRemovalError]:
    """Return an error of every class that a client can receive."""
    errors: list[BackgroundRemovalError] = []
    for kind in STATUSES:
        if kind is SourceHTTPError:
            errors.append(kind(404))
        elif kind in (SourceTooLarge, ImageTooLarge):
            errors.append(kind(5))
        else:
            errors.append(kind())
    return errors
