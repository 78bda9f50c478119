"""DepositLedger on PostgreSQL: deposits posted in committed chunks, and each row's outcome.

Belongs here: the order of work on one file. Staging is in staging.py, a chunk's SQL in posting.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

import polars as pl
import psycopg
from psycopg import errors, sql

from cardops.adapters.postgresql.accounts.chunked_posting import ChunkOperation, post_in_chunks
from cardops.adapters.postgresql.accounts.crediting import CONTENT_HASH, refuse_beyond_range
from cardops.adapters.postgresql.accounts.posting import (
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
from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.adapters.postgresql.frames import stream_frames
from cardops.adapters.postgresql.transactions import (
    MAX_ATTEMPTS,
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
# First the rows that this file credited, which are nearly all of them, then the others: a deposit's
# latest credit decides. A row without any event was refused, or was not posted: then the query
# returns fewer rows than were staged. Recalls are looked up one by one (`lateral` with a limit): to hash
# them would read those of all years.
_OUTCOME: Final = """
with own as materialized (
    select e.row_number, e.ledger_seq
    from deposit_events as e
    left join lateral (
        select true as is_there from deposit_recalls as r
        where r.program = e.program and r.deposit_id = e.deposit_id
        limit 1
    ) as recalled on true
    where e.intake_id = {intake_id} and recalled.is_there is null
),
others as materialized (
    select s.* from {stage} as s
    where not exists (select from own where own.row_number = s.row_number)
),
credited as (
    select s.row_number, s.refusal,
        r.deposit_id is not null as is_recalled,
        coalesce(i.intake_id, e.intake_id) = {intake_id}
            and coalesce(i.row_number, e.row_number) = s.row_number as is_own,
        coalesce(i.content_hash, e.content_hash) = {content_hash} as is_same,
        coalesce(i.ledger_seq, e.ledger_seq) as ledger_seq
    from others as s
    join deposit_events as e on e.program = {program} and e.deposit_id = s.deposit_id
    left join (
        select distinct on (deposit_id)
            deposit_id, credit_number, intake_id, row_number, content_hash, ledger_seq
        from deposit_reinstatements
        where program = {program} and deposit_id in (select deposit_id from others)
        order by deposit_id, credit_number desc
    ) as i on i.deposit_id = s.deposit_id
    left join deposit_recalls as r
        on r.program = {program} and r.deposit_id = s.deposit_id
        and r.credit_number = coalesce(i.credit_number, 1)
)
select own.row_number, 'accepted' as outcome, own.ledger_seq
from own join {stage} as s on s.row_number = own.row_number
union all
select row_number,
    case
        when refusal is not null then refusal
        when is_recalled then 'recalled_before'
        when is_own then 'accepted'
        when is_same then 'duplicate'
        else 'conflicting_duplicate'
    end,
    case when is_own and not is_recalled then ledger_seq end
from credited
union all
select s.row_number, f.refusal, null
from others as s
join (select deposit_id, refusal from others where refusal is not null) as f using (deposit_id)
where not exists (
    select from deposit_events as e where e.program = {program} and e.deposit_id = s.deposit_id
)
"""


# Several rows per message: one message each would cost more than everything else of the outcome.
_AS_LINES: Final = """
select string_agg(
    row_number || ',' || outcome || ',' || coalesce(ledger_seq::text, ''), chr(10)
)
from ({outcomes}) as o group by row_number / 1000
"""


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
            self._post(runner, stage, partial(_credit, stage=stage, request=request))
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

        def take_back(runner: TransactionRunner, chunk: Chunk) -> None:
            runner.run(partial(recall_chunk, stage=stage, chunk=chunk, recalled_by=recalled_by))

        stage = Stage(intake_file)
        with self._staged(stage, stage.fill_from_events) as runner:
            runner.run(partial(finish_requests, intake_id=stage.intake_id))
            self._post(runner, stage, take_back)
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
        self, stage: Stage, fill: Callable[[psycopg.Connection], None]
    ) -> Iterator[TransactionRunner]:
        """Lock and fill the stage; a session whose planner suits posting its chunks."""
        with advisory_lock(self.url, f"stage/{stage.intake_id}"):
            with transaction_runner(self.url) as runner:
                runner.run_unretried(fill)
            with self._look_ups() as runner:
                yield runner

    def _look_ups(self) -> AbstractContextManager[TransactionRunner]:
        return transaction_runner(with_options(self.url, *LOOK_UPS))

    def _post(self, runner: TransactionRunner, stage: Stage, operation: ChunkOperation) -> None:
        post_in_chunks(runner, self._look_ups, stage, operation)


def _credit(
    runner: TransactionRunner, chunk: Chunk, stage: Stage, request: ReinstatementRequest | None
) -> None:
    """Credit the chunk without the rows that do not fit into their account.

    Balances go on changing between finding these rows and crediting the others.
    """
    credit = partial(credit_chunk, stage=stage, chunk=chunk)
    for _ in range(MAX_ATTEMPTS):
        try:
            return runner.run(partial(credit, request=request) if request else credit)
        except errors.NumericValueOutOfRange:
            runner.run(
                partial(
                    refuse_beyond_range,
                    stage=stage,
                    chunk=chunk,
                    is_requested=request is not None,
                )
            )
    raise DatabaseUnavailableError(
        f"Balances of accounts at the largest amount that can be stored changed {MAX_ATTEMPTS} "
        "times while they were credited; nothing was lost, run it again."
    )


def _outcome(session: psycopg.Connection, stage: Stage) -> pl.DataFrame:
    stage.check_complete(session)
    outcomes = stage.sql(_OUTCOME, content_hash=CONTENT_HASH)
    lines = session.execute(stage.sql(_AS_LINES, outcomes=outcomes)).fetchall()
    text = "\n".join(row[0] for row in lines).encode()
    frame = pl.read_csv(text, has_header=False, schema=OUTCOME) if text else OUTCOME.to_frame()
    frame = frame.sort("row_number")
    staged = session.execute(stage.sql("select count(*) from {stage}")).fetchone()
    if staged is None or frame.height != staged[0]:
        raise StagingLostError(stage.intake_id)
    return frame
