"""DepositLedger on PostgreSQL: credits and recalls in committed chunks, and each row's outcome.

Belongs here: the order of work on one file. Staging is in staging.py, a chunk's SQL in posting.py.
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
from cardops.adapters.postgresql.transactions import (
    TransactionRunner,
    run_in_transaction,
    transaction_runner,
)
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
# A row without any event was not credited: then the join returns fewer rows than were staged.
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


class ChunkOperation(Protocol):
    """Posts one chunk in one commit."""

    def __call__(self, session: psycopg.Connection, stage: Stage, chunk: Chunk) -> None:
        """Post the chunk."""


class PostgresDepositLedger:
    """Implements cardops.ports.DepositLedger. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self.url = url

    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> None:
        """Credit valid rows once each, in committed chunks; safe to kill and run again.

        Raises StagingLostError where a crash of the database emptied the stage: run it again.
        """
        stage = Stage(intake_file)
        with self._staged(stage, lambda session: stage.fill(session, batches)) as runner:
            _post_chunks(runner, stage, credit_chunk)

    def outcome(self, intake_file: IntakeFile) -> pl.DataFrame:
        """The outcome of each staged row. Raises StagingLostError."""
        stage = Stage(intake_file)
        return run_in_transaction(self.url, lambda session: _outcome(session, stage))

    def forget_staged(self, intake_file: IntakeFile) -> None:
        """Drop the file's staged rows."""
        run_in_transaction(self.url, Stage(intake_file).drop)

    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        """Take back every deposit the file credited; totals by currency, equal on repeat."""

        def take_back(session: psycopg.Connection, stage: Stage, chunk: Chunk) -> None:
            recall_chunk(session, stage, chunk, recalled_by=recalled_by)

        stage = Stage(intake_file)
        with self._staged(stage, stage.fill_from_events) as runner:
            _post_chunks(runner, stage, take_back)
            runner.run(stage.drop)
            return runner.run(lambda session: _recalled_totals(session, intake_file.intake_id))

    def accounts(self) -> Iterator[pl.DataFrame]:
        """All accounts in chunks, from one snapshot; the session stays open to the end."""
        with connect(self.url) as session:
            yield from stream_frames(session, _ACCOUNTS, ACCOUNTS)

    @contextmanager
    def _staged(
        self, stage: Stage, fill: Callable[[psycopg.Connection], int]
    ) -> Iterator[TransactionRunner]:
        """Lock and fill the stage; a session whose planner suits posting its chunks."""
        with advisory_lock(self.url, f"stage/{stage.intake_id}"):
            with transaction_runner(self.url) as runner:
                runner.run_unretried(fill)
            with transaction_runner(with_options(self.url, *LOOK_UPS)) as runner:
                yield runner


def _post_chunks(runner: TransactionRunner, stage: Stage, operation: ChunkOperation) -> None:
    for chunk in runner.run(lambda session: list(stage.chunks(session))):
        runner.run(partial(operation, stage=stage, chunk=chunk))
    # A crash of the database empties the unlogged stage: skipped rows must not pass as posted.
    runner.run(stage.check_complete)


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
