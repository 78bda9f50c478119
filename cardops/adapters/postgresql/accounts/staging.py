"""The staged rows of one deposit file: an unlogged table per file, read in chunks.

Belongs here: staging and chunks. Posting a chunk to accounts is in posting.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, LiteralString

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter

from cardops.adapters.postgresql.accounts.row_origins import FileOrigin, GroupOrigin
from cardops.adapters.postgresql.accounts.stage_tables import drop_stage, stage_table
from cardops.rules.intake.files import IntakeFile, RowReason, StagingLostError
from cardops.rules.intake.groups import FileGroup

COLUMNS: Final = ("row_number", "deposit_id", "user_id", "currency", "amount_minor", "occurred_at")
WRITE_ROWS: Final = 100_000
QUEUED_BUFFERS: Final = 32  # of 128 kB
Hashes = npt.NDArray[np.uint64]

_IN_CHUNK: Final = (
    "(s.user_id, s.row_number) > (%(after_user)s, %(after_row)s)"
    " and (s.user_id, s.row_number) <= (%(to_user)s, %(to_row)s)"
)
# The rows of a chunk that are to be posted.
CHUNK: Final = "from {stage} as s where not s.is_repeat and s.refusal is null and " + _IN_CHUNK


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows after one (user, row) up to and including another, in user order."""

    after_user: str
    after_row: int
    to_user: str
    to_row: int

    def values(self) -> dict[str, object]:
        """The chunk's ends, as the parameters of a statement."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class UserRange:
    """Users from one, included, to another, excluded; by default all."""

    from_user: str = ""
    before_user: str | None = None


class _ShortQueue(QueuedLibpqWriter):
    """Sends rows while the next are read and written as text; at most a few megabytes wait."""

    def __init__(self, cursor: psycopg.Cursor) -> None:
        super().__init__(cursor)
        self._queue.maxsize = QUEUED_BUFFERS


class Stage:
    """The staged rows of one file, or of a group, which is named after its first file.

    `has_posted_rows`: whether rows may have been posted before, so that each must be looked up.
    `row_count`: how many were staged. `origin`: of which file a row is, and its number there.
    """

    def __init__(self, intake_file: IntakeFile, group: FileGroup | None = None) -> None:
        self.intake_file = intake_file
        self.origin = FileOrigin(intake_file.intake_id) if group is None else GroupOrigin(group)
        self.intake_id = intake_id = intake_file.intake_id
        self.program = intake_file.arrival.program
        self.table = stage_table(intake_id)
        self.row_count = 0
        self.has_posted_rows = True

    def fill(self, session: psycopg.Connection, batches: Iterable[pl.DataFrame]) -> None:
        """Stage the rows, replacing any earlier ones."""
        self.drop(session)
        session.execute(
            self.sql(
                "create unlogged table {stage} (program text not null default {program}, row_number bigint not null, deposit_id text not null,"
                " user_id text not null, currency text not null, amount_minor bigint not null,"
                " occurred_at timestamptz not null, is_repeat boolean not null default false,"
                " refusal text)"
            )
        )
        hashes = self._copy_in(session, batches)
        if _may_repeat(hashes):
            self._mark_repeats(session)
        self._seal(session, len(hashes))
        self.has_posted_rows = self._was_begun(session)

    def fill_from_events(self, session: psycopg.Connection) -> None:
        """Stage the file's credits that stand, first ones and reinstatements."""
        self.drop(session)
        session.execute(
            self.sql(
                "create unlogged table {stage} as select program, row_number, deposit_id, credit_number,"
                " user_id, currency, amount_minor, occurred_at, false as is_repeat,"
                " null::text as refusal"
                " from standing_deposits where intake_id = {intake_id}"
            )
        )
        self._mark_repeats(session)
        row = session.execute(self.sql("select count(*) from {stage}")).fetchone()
        self._seal(session, int(row[0]) if row else 0)

    def drop(self, session: psycopg.Connection) -> None:
        """Drop the staged rows; a file that was never staged is not an error."""
        drop_stage(session, self.intake_id)

    def finish(self, session: psycopg.Connection) -> None:
        """Flush everything that was posted. Raises StagingLostError where rows may be missing.

        The commit flushes only if it writes something, also where the last chunk posted nothing.
        """
        self.check_complete(session)
        # guard-begin: credit-flushed
        session.execute(
            "update deposit_stagings set row_count = row_count where intake_id = %s",
            [self.intake_id],
        )
        # guard-end: credit-flushed

    def check_complete(self, session: psycopg.Connection) -> int:
        """The number of staged rows. Raises StagingLostError where a crash emptied the stage."""
        sealed = session.execute(
            "select row_count, to_regclass(%s) is not null from deposit_stagings"
            " where intake_id = %s",
            [f"deposit_stage_{self.intake_id}", self.intake_id],
        ).fetchone()
        if sealed is None or not sealed[1]:
            raise StagingLostError(self.intake_id)
        staged = session.execute(self.sql("select count(*) from {stage}")).fetchone()
        if staged is None or staged[0] != sealed[0]:
            raise StagingLostError(self.intake_id)
        return int(sealed[0])

    def middle_user(self, session: psycopg.Connection) -> str:
        """The user of the row in the middle, in user order. Raises StagingLostError."""
        row = session.execute(
            self.sql("select user_id from {stage} order by user_id, row_number limit 1 offset %s"),
            [self.row_count // 2],
        ).fetchone()
        if row is None:
            raise StagingLostError(self.intake_id)
        return str(row[0])

    def chunk_after(
        self, session: psycopg.Connection, users: UserRange, last: Chunk | None, row_count: int
    ) -> Chunk | None:
        """The next rows of these users in user order, None at the end; a user's may span chunks."""
        after = (last.to_user, last.to_row) if last else (users.from_user, -1)
        before: sql.Composable = sql.SQL("")
        if users.before_user is not None:
            before = sql.SQL(" and user_id < {}").format(sql.Literal(users.before_user))
        end = session.execute(
            self.sql(
                "select user_id, row_number from (select user_id, row_number from {stage}"
                " where (user_id, row_number) > (%s, %s){before}"
                " order by user_id, row_number limit %s"
                ") as following order by user_id desc, row_number desc limit 1",
                before=before,
            ),
            [*after, row_count],
        ).fetchone()
        return None if end is None else Chunk(*after, *end)

    def refuse(self, session: psycopg.Connection, chunk: Chunk, row_numbers: Sequence[int]) -> None:
        """Leave these rows of the chunk out: their outcome says that they could not be applied."""
        session.execute(
            self.sql(
                "update {stage} as s set refusal = {refusal}"
                " where {in_chunk} and s.row_number = any(%(row_numbers)s)",
                in_chunk=sql.SQL(_IN_CHUNK),
                refusal=sql.Literal(str(RowReason.AMOUNT_OUT_OF_RANGE)),
            ),
            {**chunk.values(), "row_numbers": list(row_numbers)},
        )

    def sql(self, text: LiteralString, **parts: sql.Composable) -> sql.Composed:
        """A statement on this stage; `parts` fill further fields in braces."""
        return sql.SQL(text).format(
            stage=self.table,
            program=sql.Literal(self.program),
            intake_id=self.origin.intake_id,
            file_row=self.origin.file_row,
            columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
            **parts,
        )

    def _copy_in(self, session: psycopg.Connection, batches: Iterable[pl.DataFrame]) -> Hashes:
        """Send the rows; a hash of each row's deposit id."""
        hashes = [np.empty(0, dtype=np.uint64)]
        # Frozen: who looks for the ends of chunks then reads the index alone.
        command = self.sql("copy {stage} ({columns}) from stdin (format csv, freeze)")
        cursor = session.cursor()
        with cursor.copy(command, writer=_ShortQueue(cursor)) as copy:
            for batch in batches:
                for part in batch.select(COLUMNS).iter_slices(WRITE_ROWS):
                    copy.write(part.write_csv(include_header=False))
                hashes.append(batch["deposit_id"].hash().to_numpy())
        return np.concatenate(hashes)

    def _was_begun(self, session: psycopg.Connection) -> bool:
        row = session.execute(
            "select exists (select from deposit_events where intake_id = any(%s))",
            [self.origin.intake_ids],
        ).fetchone()
        return row is None or bool(row[0])

    def _mark_repeats(self, session: psycopg.Connection) -> None:
        """Mark the rows with the deposit id of an earlier row."""
        session.execute(
            self.sql(
                "update {stage} as s set is_repeat = true from (select deposit_id, min(row_number) as"
                " first_row from {stage} group by deposit_id having count(*) > 1) as repeated"
                " where s.deposit_id = repeated.deposit_id and s.row_number <> repeated.first_row"
            )
        )

    def _seal(self, session: psycopg.Connection, count: int) -> None:
        """Index the rows, and record the row count."""
        self.row_count = count
        session.execute(self.sql("create index on {stage} (user_id, row_number)"))
        session.execute(self.sql("analyze {stage} (program, user_id, currency, row_number)"))
        session.execute(
            "insert into deposit_stagings (intake_id, row_count) values (%s, %s)",
            [self.intake_id, count],
        )


def _may_repeat(hashes: Hashes) -> bool:
    """Whether two ids may be equal: it costs a tenth of a look at them in the database."""
    hashes.sort()
    return bool((hashes[1:] == hashes[:-1]).any())
