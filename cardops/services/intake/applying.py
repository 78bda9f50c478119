"""Valid rows applied outside the lake: deposits become credits.

Belongs here: one applier for each port that a profile's `applied_to` names. Accepted means applied:
a file that is killed half-way and ingested again has the same outcomes.
"""

from collections.abc import Iterable
from typing import Final

import polars as pl
from typing_extensions import override

from cardops.ports import DepositLedger
from cardops.rules.intake.files import IntakeFile
from cardops.services.intake.ports import Applier

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
    def apply(self, intake_file: IntakeFile, chunks: Iterable[pl.DataFrame]) -> pl.DataFrame:
        self._ledger.credit(intake_file, (chunk.select(_CREDITED_COLUMNS) for chunk in chunks))
        return self._ledger.outcome(intake_file)

    @override
    def discard_staged(self, intake_file: IntakeFile) -> None:
        self._ledger.forget_staged(intake_file)
