"""Disputes as they stand, read from the lake's steps: the columns of the work queue.

Belongs here: columns, and the order of the queue. The query is in
cardops.adapters.warehouse.lake_disputes.
"""

from typing import Final

import polars as pl

from cardops.contracts.columns.types import DATE, INTEGER, TEXT

KEY: Final = ("program", "network", "case_number")
# One row a dispute that has not ended, by its last step.
OPEN_DISPUTES: Final = pl.Schema(
    {
        **dict.fromkeys((*KEY, "stage"), TEXT),
        "opening_number": INTEGER,
        "status": TEXT,
        "reason_code": TEXT,
        "transaction_id": TEXT,
        "dispute_amount_minor": INTEGER,
        "dispute_currency": TEXT,
        "opened_on": DATE,
        "reply_by_on": DATE,
        "clock": TEXT,
    }
)
