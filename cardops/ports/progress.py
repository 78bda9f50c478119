"""Who hears how many rows of a file are done, while it is ingested.

Belongs here: the listeners of the work in hand. They belong to its context, not to its parameters: a
command or a run listens, and neither readers nor ledgers know which.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


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
