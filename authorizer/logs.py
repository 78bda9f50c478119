"""JSON lines on standard error: one per request, with the request id stored on its decision.

Of the request only its method and route template are logged: no body, no key, no card number.
"""

import asyncio
import json
import logging
import sys
import time
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
        self._lines: list[str] = []
        # What repeats in the lines: by method, route template and status; and by second.
        self._heads: dict[tuple[str, str, int], str] = {}
        self._second = (0, "")
        self._timer: asyncio.TimerHandle | None = None

    def write(self, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
        """Buffer one request's line; it is written within `FLUSH_SECONDS`."""
        if not LOGGER.isEnabledFor(logging.INFO):
            return
        key = (method, route, status)
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = _head(method, route, status)
        self._lines.append(
            f'{{"at":"{self._instant_text(time.time())}",{head}"request_id":"{request_id}"'
            f',"milliseconds":{seconds * 1000:.2f}}}\n'
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def _instant_text(self, at: float) -> str:
        """ISO 8601 in UTC, with milliseconds."""
        second, text = self._second
        if int(at) != second:
            second, text = int(at), datetime.fromtimestamp(int(at), UTC).isoformat()[:-6]
            self._second = (second, text)
        return f"{text}.{int((at - second) * 1000):03d}+00:00"

    def flush(self) -> None:
        """Write the buffered lines."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            sys.stderr.write("".join(self._lines))
            sys.stderr.flush()
            self._lines.clear()


def _head(method: str, route: str, status: int) -> str:
    """The members of a request's line that are the same for many requests, each with its comma."""
    members = {
        "level": "info", "message": "request", "method": method, "route": route, "status": status,
    }  # fmt: skip
    return msgspec.json.encode(members).decode()[1:-1] + ","
