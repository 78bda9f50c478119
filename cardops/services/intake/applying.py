"""Valid rows applied outside the lake: deposits become credits.

Belongs here: one applier for each port that a profile's `applied_to` names. Accepted means applied:
a file that is killed half-way and ingested again has the same outcomes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

import polars as pl
from typing_extensions import override

from cardops.ports import DepositLedger
from cardops.rules.intake.files import IntakeFile, StagingLostError
from cardops.rules.intake.groups import FileGroup
from cardops.services.intake.ports import Applier

# A database that crashes more often than this during one file needs a person.
MAX_STAGINGS: Final = 3
_CREDITED_COLUMNS: Final = (
    "row_number",
    "deposit_id",
    "user_id",
    "currency",
    "amount_minor",
    "occurred_at",
)


class CreditDeposits(Applier):
    """Credits deposits to accounts, once each."""

    def __init__(self, deposit_ledger: DepositLedger) -> None:
        self._ledger = deposit_ledger

    @override
    def apply(
        self, intake_file: IntakeFile, chunks: Callable[[], Iterable[pl.DataFrame]]
    ) -> pl.DataFrame:
        def credit() -> pl.DataFrame:
            credited = self._ledger.credit(intake_file, _columns_of(chunks()))
            return self._ledger.outcome(intake_file, credited)

        return _staged_again_when_lost(credit)

    @override
    def apply_together(
        self, group: FileGroup, chunks: Callable[[], Iterable[pl.DataFrame]]
    ) -> pl.DataFrame:
        return _staged_again_when_lost(
            lambda: self._ledger.credit_together(group, _columns_of(chunks()))
        )

    @override
    def discard_staged(self, intake_file: IntakeFile) -> None:
        self._ledger.forget_staged(intake_file)


def _staged_again_when_lost(credit: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    for _ in range(MAX_STAGINGS - 1):
        # The database crashed meanwhile: what it had credited is found by its deposit ids.
        with suppress(StagingLostError):
            return credit()
    return credit()


def _columns_of(chunks: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    return (chunk.select(_CREDITED_COLUMNS) for chunk in chunks)
