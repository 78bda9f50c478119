"""Who hears how many rows of a file are done, while it is ingested.

Belongs here: the listeners of the work in hand, and the one that a run's log and a plain terminal use.
They belong to its context, not to its parameters: a command or a run listens, and ledgers do not know
which.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Final

SECONDS_BETWEEN_LINES: Final = 5.0


class Step(StrEnum):
    """What was done with the rows."""

    JUDGED = "judged"
    POSTED = "posted"


Listener = Callable[[Step, int], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Tell the listener of rows that are done in this block."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def rows_done(step: Step, rows: int) -> None:
    """So many more rows are done; with 0, the step begins."""
    for listener in _listeners.get():
        listener(step, rows)


def progress_line(step: Step, rows: int, seconds: float) -> str:
    """`1,200,000 rows judged, 85,000 rows a second`."""
    return f"{rows:,} rows {step}, {rows / max(seconds, 1e-6):,.0f} rows a second"


class ProgressLines:
    """A listener that says a line at most every few seconds, and nothing of short work."""

    def __init__(
        self, say: Callable[[str], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._now = now
        self._rows: Counter[Step] = Counter()
        self._begun: dict[Step, float] = {}
        self._said_at = self._before = now()

    def __call__(self, step: Step, rows: int) -> None:
        """Add rows of a step; its time begins with 0 rows, or where the step before it ended."""
        now = self._now()
        begun = self._begun.setdefault(step, self._before if rows else now)
        self._rows[step] += rows
        self._before = now
        if now - self._said_at >= SECONDS_BETWEEN_LINES:
            self._said_at = now
            self._say(progress_line(step, self._rows[step], now - begun))
