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
from cardops.adapters.postgresql.accounts.crediting import CREDITED, refuse_beyond_range
from cardops.adapters.postgresql.accounts.outcomes import outcome_of_stage
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
from cardops.rules.intake.files import IntakeFile
from cardops.rules.intake.groups import FileGroup

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


class PostgresDepositLedger:
    """Implements cardops.ports.DepositLedger. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self.url = url

    def credit(self, intake_file: IntakeFile, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """Credit valid rows once each, in committed chunks; safe to kill and run again.

        Returns the rows that this call credited: row_number, ledger_seq.
        Raises StagingLostError where a crash of the database emptied the stage: run it again.
        """
        stage, credited = Stage(intake_file), [CREDITED.to_frame()]

        def credit(runner: TransactionRunner, chunk: Chunk) -> None:
            credited.append(_credit(runner, chunk, stage, request))

        with self._staged(stage, lambda session: stage.fill(session, batches)) as runner:
            request = runner.run(partial(find_request, intake_id=stage.intake_id))
            self._post(runner, stage, credit)
            if request:
                runner.run(partial(finish_requests, intake_id=stage.intake_id))
        return pl.concat(credited)

    def credit_together(self, group: FileGroup, batches: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """Credit the rows of small files as if one after another; the outcome of each.

        Raises StagingLostError, and FileRecalledError.
        """
        stage = Stage(group.first, group)

        def credit(runner: TransactionRunner, chunk: Chunk) -> None:
            _credit(runner, chunk, stage, None)

        with self._staged(stage, lambda session: stage.fill(session, batches)) as runner:
            self._post(runner, stage, credit)
        look_up = partial(outcome_of_stage, stage=stage, credited=None)
        return run_in_transaction(self.url, look_up)

    def outcome(
        self, intake_file: IntakeFile, credited: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """The outcome of each staged row. Raises StagingLostError."""
        stage = Stage(intake_file)
        return run_in_transaction(
            self.url, lambda session: outcome_of_stage(session, stage, credited)
        )

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
) -> pl.DataFrame:
    """Credit the chunk without the rows that do not fit into their account; the credited rows.

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
