"""Files that are ingested together, in PostgreSQL: one statement for all of them.

Belongs here: what differs from one file after another. A group is nothing that is stored but the lake
file that its files share.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final, LiteralString

import psycopg

from cardops.adapters.postgresql.advisory_locks import advisory_lock, lock_session
from cardops.adapters.postgresql.intake.rows import SELECT, file_of, outcome_text
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.files import (
    FileOutcome,
    FileRecalledError,
    IntakeFile,
    IntakeFileMissingError,
)

_LOCK: Final = (
    "select intake_id from unnest(%s::bigint[]) as wanted (intake_id)"
    " where pg_try_advisory_lock(hashtextextended('intake/' || intake_id, 0))"
)
# A content that was recalled credits nothing under any name: such a file is looked at by itself.
_UNTOUCHED: Final = (
    "where intake_id = any(%s) and status = 'claimed' and attempt_count = 0 and attempt_series = 0"
    " and not exists (select from intake_files as recalled"
    " where recalled.content_sha256 = intake_files.content_sha256"
    " and recalled.kind = intake_files.kind and recalled.program = intake_files.program"
    " and recalled.status = 'recalled') order by intake_id"
)
_BEGIN: LiteralString = (
    "update intake_files set status = 'applying', ended_at = null, attempt_count = attempt_count + 1"
    " where intake_id = any(%s) and status = 'claimed'"
)
_WITHDRAW: LiteralString = (
    "update intake_files set status = 'claimed', attempt_count = greatest(attempt_count - 1, 0),"
    " lake_file_id = null where intake_id = any(%s) and status = 'applying'"
)
_SHARE: LiteralString = "update intake_files set lake_file_id = %s where intake_id = any(%s)"
_FINISH: LiteralString = (
    "update intake_files as f set status = 'applied', outcome = done.outcome, ended_at = now(),"
    " attempt_count = 0, attempt_series = f.attempt_series + 1"
    " from unnest(%s::bigint[], %s::jsonb[]) as done (intake_id, outcome)"
    " where f.intake_id = done.intake_id and f.status <> 'recalled' returning f.intake_id"
)


class GroupedFiles:
    """The part of the IntakeLedger port for files that are ingested together."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def together(self, intake_ids: Sequence[int]) -> Iterator[Sequence[IntakeFile]]:
        """Lock those of the files that nobody began, until the block ends; in claim order.

        Whoever holds locks waits for none here: a deadlock is impossible.
        """
        with lock_session(self.url) as session:
            locked = [row[0] for row in session.execute(_LOCK, [list(intake_ids)]).fetchall()]
            rows = session.execute(SELECT + _UNTOUCHED, [locked]).fetchall()
            yield [file_of(row) for row in rows]

    def begin_all(self, intake_ids: Sequence[int]) -> None:
        """`begin` each of them, for the first time."""
        self._change_all(_BEGIN, list(intake_ids))

    def withdraw(self, intake_ids: Sequence[int]) -> None:
        """Undo `begin_all` of files of which nothing is applied, and `share_lake_file`."""
        self._change_all(_WITHDRAW, list(intake_ids))

    def share_lake_file(self, intake_ids: Sequence[int]) -> int:
        """From now on, the rows of these files are in the lake file of the first; its intake id."""
        first = min(intake_ids)
        self._change_all(_SHARE, first, list(intake_ids))
        return first

    def finish_all(self, outcomes: Mapping[int, FileOutcome]) -> None:
        """`finish` each of them as `applied`, in one commit. Raises FileRecalledError."""
        run_in_transaction(self.url, partial(_finish_all, outcomes=outcomes))

    def writing_lake_file(self, intake_id: int) -> AbstractContextManager[None]:
        """One writer at a time of a lake file that is shared, by the id of its first file."""
        return advisory_lock(self.url, f"lake-file/{intake_id}")

    def _change_all(self, statement: LiteralString, *values: object) -> None:
        run_in_transaction(self.url, lambda session: session.execute(statement, values))


def _finish_all(session: psycopg.Connection, outcomes: Mapping[int, FileOutcome]) -> None:
    texts = [outcome_text(outcome) for outcome in outcomes.values()]
    finished = session.execute(_FINISH, [list(outcomes), texts]).fetchall()
    missing = outcomes.keys() - {intake_id for (intake_id,) in finished}
    if missing:
        # Locks that were lost: nothing of the group counts as done, and each file is looked at again.
        row = session.execute(SELECT + "where intake_id = %s", [min(missing)]).fetchone()
        if row is None:
            raise IntakeFileMissingError(min(missing))
        raise FileRecalledError(file_of(row))
