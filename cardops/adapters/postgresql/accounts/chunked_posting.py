"""All chunks of a staged file posted: by one session, or by two while nobody spends.

Belongs here: the order of chunks and who posts them. What one chunk does is handed in.

A large file is cut in two between users, so that no account and no deposit is in both halves and
each account's rows stay in file order. The second session holds locks and takes a processor that
authorizations would need, so it pauses while there are any, unless it is the only one left.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from threading import Event, Lock
from typing import Final, Protocol

import psycopg

from cardops.adapters.postgresql.accounts.pacing import ChunkPace
from cardops.adapters.postgresql.accounts.staging import Chunk, Stage, UserRange
from cardops.adapters.postgresql.transactions import TransactionRunner
from cardops.ports.progress import Step, rows_done

# Below, the second session would cost more than it saves.
HALVED_ROWS: Final = 20_000
PAUSE_SECONDS: Final = 0.25
_IS_SPENDING: Final = (
    "select decided_at > clock_timestamp() - interval '1 second' from decisions"
    " order by decided_at desc limit 1"
)
Sessions = Callable[[], AbstractContextManager[TransactionRunner]]


class ChunkOperation(Protocol):
    """Posts one chunk in one commit."""

    def __call__(self, runner: TransactionRunner, chunk: Chunk) -> None:
        """Post the chunk."""


class _Counted:
    """An operation, and how many rows are still to be posted by it in both sessions."""

    def __init__(self, row_count: int, operation: ChunkOperation) -> None:
        self.operation = operation
        self._waiting = row_count
        self._lock = Lock()

    def add(self, row_count: int) -> None:
        """Tell of a chunk of at most so many rows."""
        with self._lock:
            posted = min(row_count, self._waiting)
            self._waiting -= posted
            rows_done(Step.POSTED, posted)


def post_in_chunks(
    runner: TransactionRunner, sessions: Sessions, stage: Stage, operation: ChunkOperation
) -> None:
    """Post every staged row, and flush; `sessions` opens another session like the runner's.

    Raises StagingLostError where rows may be missing.
    """
    counted = _Counted(stage.row_count, operation)
    if stage.row_count < HALVED_ROWS:
        _post_range(runner, stage, UserRange(), counted)
    else:
        _post_halves(runner, sessions, stage, counted)
    # A crash of the database empties the unlogged stage: skipped rows must not pass as posted.
    runner.run(stage.finish)


def _post_halves(
    runner: TransactionRunner, sessions: Sessions, stage: Stage, counted: _Counted
) -> None:
    middle, is_over = runner.run(stage.middle_user), Event()
    beside = partial(_post_beside, sessions, stage, UserRange(from_user=middle), counted, is_over)
    with ThreadPoolExecutor(1) as pool:
        # What listens for progress is found through the context.
        other = pool.submit(copy_context().run, beside)
        try:
            _post_range(runner, stage, UserRange(before_user=middle), counted)
        finally:
            is_over.set()
    other.result()


def _post_range(
    runner: TransactionRunner,
    stage: Stage,
    users: UserRange,
    counted: _Counted,
    wait: Callable[[], None] | None = None,
) -> None:
    pace, chunk = ChunkPace(), None
    while chunk := runner.run(
        partial(stage.chunk_after, users=users, last=chunk, row_count=pace.row_count)
    ):
        if wait is not None:
            wait()
        row_count = pace.row_count
        with pace.measured():
            counted.operation(runner, chunk)
        counted.add(row_count)


def _post_beside(
    sessions: Sessions,
    stage: Stage,
    users: UserRange,
    counted: _Counted,
    is_over: Event,
) -> None:
    """Post a range while the other session posts its own, which `is_over` tells."""
    with sessions() as runner:

        def wait() -> None:
            while runner.run(_is_spending) and not is_over.wait(PAUSE_SECONDS):
                pass

        _post_range(runner, stage, users, counted, wait)


def _is_spending(session: psycopg.Connection) -> bool:
    row = session.execute(_IS_SPENDING).fetchone()
    return row is not None and bool(row[0])
