"""DepositLedger on PostgreSQL: credit and recall by committed chunks, and what became of rows.

Sums and accounts are read in sums. The SQL of a chunk is in posting.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol

import polars as pl
import psycopg
from psycopg import sql

from cardops.adapters.postgresql.accounts.posting import (
    CONTENT_HASH,
    LOOK_UPS,
    credit_chunk,
    recall_chunk,
)
from cardops.adapters.postgresql.accounts.staging import Chunk, Stage
from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.connection import connect, with_options
from cardops.adapters.postgresql.frames import read_frame, stream_frames
from cardops.adapters.postgresql.transactions import TransactionRunner, transaction_runner
from cardops.rules.intake.files import IntakeFile, StagingLostError

OUTCOME: Final = pl.Schema(
    {"row_number": pl.Int64(), "outcome": pl.String(), "ledger_seq": pl.Int64()}
)

ACCOUNTS: Final = pl.Schema(
    {
        "program": pl.String(),
        "user_id": pl.String(),
        "currency": pl.String(),
        "available_minor": pl.Int64(),
        "held_minor": pl.Int64(),
        "ledger_seq": pl.Int64(),
    }
)

_ACCOUNTS: Final = sql.SQL(
    "select program, user_id, currency, available_minor, held_minor, ledger_seq from accounts"
).format()
# A row without any event was not credited: then the join finds fewer rows than were staged.
_OUTCOME: Final = """
select s.row_number,
    case
        when e.intake_id = {intake_id} and e.row_number = s.row_number then 'accepted'
        when e.content_hash = {content_hash} then 'duplicate'
        else 'conflicting_duplicate'
    end,
    case
        when e.intake_id = {intake_id} and e.row_number = s.row_number then e.ledger_seq
    end
from {stage} as s
join deposit_events as e on e.program = {program} and e.deposit_id = s.deposit_id
order by s.row_number
"""


class ChunkWork(Protocol):
    """What is done with one chunk, in one commit."""

    def __call__(self, session: psycopg.Connection, stage: Stage, chunk: Chunk) -> None:
        """Do it."""


class PostgresDepositLedger:
    """Implements cardops.ports.DepositLedger. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self.url = url

    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> None:
        """Credit valid rows once each, in committed chunks; safe to kill and run again.

        Raises StagingLostError where the database crashed meanwhile: run it again.
        """
        stage = Stage(intake_file)
        with self._staged(stage, lambda session: stage.fill(session, batches)) as work:
            _by_chunks(work, stage, credit_chunk)

    def outcome(self, intake_file: IntakeFile) -> pl.DataFrame:
        """What became of each staged row. Raises StagingLostError."""
        stage = Stage(intake_file)
        with transaction_runner(self.url) as work:
            return work.run(lambda session: _outcome(session, stage))

    def forget_staged(self, intake_file: IntakeFile) -> None:
        """Drop the file's staged rows."""
        stage = Stage(intake_file)
        with transaction_runner(self.url) as work:
            work.run(stage.drop)

    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        """Take back every deposit the file credited; totals by currency, the same on repeat."""

        def take_back(session: psycopg.Connection, stage: Stage, chunk: Chunk) -> None:
            recall_chunk(session, stage, chunk, recalled_by=recalled_by)

        stage = Stage(intake_file)
        with self._staged(stage, stage.fill_from_events) as work:
            _by_chunks(work, stage, take_back)
            work.run(stage.drop)
            return work.run(lambda session: _recalled_totals(session, intake_file.intake_id))

    def accounts(self) -> Iterator[pl.DataFrame]:
        """All accounts in chunks, from one snapshot; the session stays open to the end."""
        with connect(self.url) as session:
            yield from stream_frames(session, _ACCOUNTS, ACCOUNTS)

    @contextmanager
    def _staged(
        self, stage: Stage, fill: Callable[[psycopg.Connection], int]
    ) -> Iterator[TransactionRunner]:
        """The stage, filled and held alone, with a session made for posting its chunks."""
        with advisory_lock(self.url, f"stage/{stage.intake_id}"):
            with transaction_runner(self.url) as work:
                work.once(fill)
            with transaction_runner(with_options(self.url, *LOOK_UPS)) as work:
                yield work


def _by_chunks(work: TransactionRunner, stage: Stage, chunk_work: ChunkWork) -> None:
    for chunk in work.run(lambda session: list(stage.chunks(session))):
        work.run(partial(chunk_work, stage=stage, chunk=chunk))
    # A crash of the database in between empties the stage; what was skipped must not pass.
    work.run(stage.check_complete)


def _outcome(session: psycopg.Connection, stage: Stage) -> pl.DataFrame:
    stage.check_complete(session)
    frame = read_frame(session, stage.sql(_OUTCOME, content_hash=CONTENT_HASH), OUTCOME)
    staged = session.execute(stage.sql("select count(*) from {stage}")).fetchone()
    if staged is None or frame.height != staged[0]:
        raise StagingLostError(stage.intake_id)
    return frame


def _recalled_totals(session: psycopg.Connection, intake_id: int) -> dict[str, int]:
    rows = session.execute(
        "select r.currency, sum(r.amount_minor)::bigint from deposit_recalls as r"
        " join deposit_events as e using (program, deposit_id)"
        " where e.intake_id = %s group by r.currency order by r.currency",
        [intake_id],
    ).fetchall()
    return dict(rows)
