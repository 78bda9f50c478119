"""DepositLedger on PostgreSQL: deposits posted in committed chunks, and each row's outcome.

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
    ReinstatementRequest,
    credit_chunk,
    recall_chunk,
)
from cardops.adapters.postgresql.accounts.reinstatements import (
    add_request,
    find_request,
    finish_requests,
    recalled_totals,
    reinstated_totals,
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
# A deposit's latest credit decides. A row without any event was not credited: then the join returns
# fewer rows than were staged.
_OUTCOME: Final = """
with credited as (
    select s.row_number,
        r.deposit_id is not null as is_recalled,
        coalesce(i.intake_id, e.intake_id) = {intake_id}
            and coalesce(i.row_number, e.row_number) = s.row_number as is_own,
        coalesce(i.content_hash, e.content_hash) = {content_hash} as is_same,
        coalesce(i.ledger_seq, e.ledger_seq) as ledger_seq
    from {stage} as s
    join deposit_events as e on e.program = {program} and e.deposit_id = s.deposit_id
    left join (
        select distinct on (deposit_id)
            deposit_id, credit_number, intake_id, row_number, content_hash, ledger_seq
        from deposit_reinstatements
        where program = {program} and deposit_id in (select deposit_id from {stage})
        order by deposit_id, credit_number desc
    ) as i on i.deposit_id = s.deposit_id
    left join deposit_recalls as r
        on r.program = {program} and r.deposit_id = s.deposit_id
        and r.credit_number = coalesce(i.credit_number, 1)
)
select row_number,
    case
        when is_recalled then 'recalled_before'
        when is_own then 'accepted'
        when is_same then 'duplicate'
        else 'conflicting_duplicate'
    end,
    case when is_own and not is_recalled then ledger_seq end
from credited order by row_number
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
            request = runner.run(partial(find_request, intake_id=stage.intake_id))
            _post_chunks(
                runner, stage, partial(credit_chunk, request=request) if request else credit_chunk
            )
            if request:
                runner.run(partial(finish_requests, intake_id=stage.intake_id))

    def outcome(self, intake_file: IntakeFile) -> pl.DataFrame:
        """The outcome of each staged row. Raises StagingLostError."""
        stage = Stage(intake_file)
        return run_in_transaction(self.url, lambda session: _outcome(session, stage))

    def forget_staged(self, intake_file: IntakeFile) -> None:
        """Drop the file's staged rows."""
        run_in_transaction(self.url, Stage(intake_file).drop)

    def recall(self, intake_file: IntakeFile, recalled_by: str) -> Mapping[str, int]:
        """Take back every standing credit of the file; totals by currency, equal on repeat."""

        def take_back(session: psycopg.Connection, stage: Stage, chunk: Chunk) -> None:
            recall_chunk(session, stage, chunk, recalled_by=recalled_by)

        stage = Stage(intake_file)
        with self._staged(stage, stage.fill_from_events) as runner:
            runner.run(partial(finish_requests, intake_id=stage.intake_id))
            _post_chunks(runner, stage, take_back)
            runner.run(stage.drop)
            return runner.run(partial(recalled_totals, intake_id=stage.intake_id))

    def request_reinstatement(
        self, intake_file: IntakeFile, requested_by: str, reason: str
    ) -> None:
        """Record that the next `credit` of the file credits its recalled deposits again."""
        request = ReinstatementRequest(requested_by, reason)
        run_in_transaction(
            self.url, partial(add_request, intake_id=intake_file.intake_id, request=request)
        )

    def reinstated(self, intake_file: IntakeFile) -> Mapping[str, int]:
        """Standing reinstatements by this file: total by currency in minor units."""
        return run_in_transaction(
            self.url, partial(reinstated_totals, intake_id=intake_file.intake_id)
        )

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
