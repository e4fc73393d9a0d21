"""The log: one JSON object a line, on standard output."""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("background_remover")

# The id of the request that this code runs for, in every record that is written meanwhile, whoever writes it.
request_id_context: ContextVar[str | None] = ContextVar("request_id", default=None)


# What these libraries warn of is a client's image, form or header: it has its code, and their words may quote it.
_ABOUT_CLIENTS = ("PIL", "python_multipart", "opentelemetry.baggage", "opentelemetry.trace")


class JSONFormatter(logging.Formatter):
    """`time`, `level`, `message` and, where there are any, `request_id`, the fields of `extra={"fields": {...}}` and a traceback.

    A line is ASCII: a terminal obeys the control characters of a path or a message, also those beyond ASCII.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if (request_id := request_id_context.get()) is not None:
            line["request_id"] = request_id
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line).replace("\x7f", "\\u007f")


def configure_logging() -> None:
    """Make every handler of the process write JSON, BentoML's own included."""
    logging.captureWarnings(True)  # a warning on a line of its own would not be JSON
    for name in _ABOUT_CLIENTS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    loggers = [
        logging.getLogger(),
        *(logging.getLogger(name) for name in ("bentoml", "uvicorn.error", "circus")),
    ]
    for logger in loggers[1:]:
        logger.propagate = (
            not logger.handlers
        )  # BentoML gives them the root's handler too, and every line would come twice
    LOGGER.setLevel(logging.INFO)
    LOGGER.handlers = [*logging.getLogger("bentoml").handlers] or [logging.StreamHandler()]
    formatter = JSONFormatter()
    for logger in (*loggers, LOGGER):
        for handler in logger.handlers:
            handler.setFormatter(formatter)
    LOGGER.propagate = False


def _is_news(record: logging.LogRecord) -> bool:
    # A response that is broken off has its line from the middleware; uvicorn calls it an error.
    return not record.getMessage().startswith("ASGI callable returned without ")
