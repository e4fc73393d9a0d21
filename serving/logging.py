"""The log: one JSON object per line, on standard output."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

LOGGER = logging.getLogger("background_remover")

# The id of the current request, for every record that is written in its context.
request_id_context: ContextVar[str | None] = ContextVar("request_id", default=None)

# The warnings of these libraries are about a client's image, form or header and may quote it. The
# client receives an error code for it.
_LOGGERS_ABOUT_CLIENTS = ("PIL", "python_multipart", "opentelemetry.baggage", "opentelemetry.trace")


class JSONFormatter(JsonFormatter):
    """Formats a record as a JSON object in ASCII.

    It has `time`, `level`, `message`, and if there are any: `request_id`, the fields of
    `extra={"fields": {...}}` and `traceback`. ASCII, because terminals obey control characters in
    a path or a message, including those beyond ASCII.
    """

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill `log_data` from the record, whose formatted traceback is in `message_dict`."""
        created = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = created.isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname.lower()
        log_data["message"] = record.getMessage()
        if (request_id := request_id_context.get()) is not None:
            log_data["request_id"] = request_id
        log_data |= getattr(record, "fields", {})
        if record.exc_info:
            log_data["traceback"] = message_dict["exc_info"]

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return `log_data` as JSON. DEL is the control character that JSON leaves as it is."""
        return super().jsonify_log_record(log_data).replace("\x7f", "\\u007f")


def configure_logging() -> None:
    """Make every handler of the process write JSON, including BentoML's."""
    logging.captureWarnings(True)  # a warning printed by Python itself would not be JSON
    for name in _LOGGERS_ABOUT_CLIENTS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").addFilter(_is_not_aborted_response)
    others = [logging.getLogger(name) for name in ("bentoml", "uvicorn.error", "circus")]
    for logger in others:
        # BentoML gives them the handler of the root logger too, which would write lines twice.
        logger.propagate = not logger.handlers
    LOGGER.setLevel(logging.INFO)
    LOGGER.handlers = [*logging.getLogger("bentoml").handlers] or [logging.StreamHandler()]
    LOGGER.propagate = False
    formatter = JSONFormatter()
    for logger in (logging.getLogger(), *others, LOGGER):
        for handler in logger.handlers:
            handler.setFormatter(formatter)


def _is_not_aborted_response(record: logging.LogRecord) -> bool:
    # The middleware logs an aborted response; uvicorn would log it once more, as an error.
    return not record.getMessage().startswith("ASGI callable returned without ")
