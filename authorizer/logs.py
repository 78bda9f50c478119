"""JSON lines on standard error: one per request, with the request id stored on its decision.

Of the request only its method and route template are logged: no body, no key, no card number.
"""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

import msgspec
from typing_extensions import override

FLUSH_SECONDS: Final = 0.05
LOGGER: Final = logging.getLogger("authorizer")
_FIELDS: Final = ("request_id",)


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object per line."""

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
    """Write all logs of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


class RequestLog:
    """Buffers one line per request: a write for each would cost as much as a decision."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
        """Buffer one request's line; it is written within `FLUSH_SECONDS`."""
        if not LOGGER.isEnabledFor(logging.INFO):
            return
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info",
            "message": "request",
            "request_id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        }
        self._lines.append(msgspec.json.encode(line))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the buffered lines."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            sys.stderr.write(b"\n".join([*self._lines, b""]).decode())
            sys.stderr.flush()
            self._lines.clear()
