"""The log: one JSON object a line, on standard output."""

import json
import logging
from datetime import UTC, datetime

LOGGER = logging.getLogger("background_remover")


# What these libraries warn of is a caller's picture, form or header: it has its code, and their words may quote it.
_SPEAKING_OF_CALLERS = ("PIL", "python_multipart", "opentelemetry.baggage", "opentelemetry.trace")


class JSONFormatter(logging.Formatter):
    """`time`, `level`, `message` and, where there are any, the fields given as `extra={"fields": {...}}` and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging() -> None:
    """Make every handler of the process write JSON, BentoML's own included."""
    logging.captureWarnings(True)  # a warning on a line of its own would not be JSON
    for name in _SPEAKING_OF_CALLERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    formatter = JSONFormatter()
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in ("bentoml", "uvicorn.error", "circus"))]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    for logger in loggers[1:]:
        logger.propagate = not logger.handlers  # BentoML gives them the root's handler too, and every line would come twice
    for handler in handlers:
        handler.setFormatter(formatter)
    LOGGER.setLevel(logging.INFO)
    LOGGER.handlers = [*logging.getLogger("bentoml").handlers] or [logging.StreamHandler()]
    LOGGER.propagate = False


def _is_news(record: logging.LogRecord) -> bool:
    # An answer that is broken off because its caller reads too slowly has its line from the gate; uvicorn calls it an error.
    return "without completing response" not in record.getMessage()
