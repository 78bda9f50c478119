"""JSON lines on standard error: one a request, with the id that lies on its decision row.

Nothing that a caller sent is logged but its path's template: no body, no key, no card number.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from typing_extensions import override

LOGGER: Final = logging.getLogger("authorizer")
_FIELDS: Final = ("request_id", "method", "route", "status", "milliseconds", "program")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logs() -> None:
    """Send everything of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log_request(request_id: str, method: str, route: str, status: int, seconds: float) -> None:
    """One line a request."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info(
            "request",
            extra={
                "request_id": request_id,
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
            },
        )
