"""Archived callbacks and attempts as the lake has them, by the day of the callback's id.

The body is not repeated: it is the stored decision's answer, byte for byte, and `body_sha256` proves
it. The URL's query may hold a partner's secret, so `endpoint` is the URL without it. A callback that
was replayed while it was being archived has one row for each time it ended.
"""

from typing import Final

import polars as pl

from cardops.contracts.columns.types import INSTANT, INTEGER, TEXT
from cardops.rules.callbacks.archives import ArchivedTable

CALLBACKS: Final = pl.Schema(
    {
        **dict.fromkeys(("callback_id", "program", "transaction_id", "endpoint"), TEXT),
        "is_test": pl.Boolean(),
        "body_sha256": TEXT,
        "attempt_count": INTEGER,
        "created_at": INSTANT,
        "ended_at": INSTANT,
        "last_status_code": INTEGER,
        "request_id": TEXT,
    }
)
ATTEMPTS: Final = pl.Schema(
    {
        "callback_id": TEXT,
        "started_at": INSTANT,
        "attempt_count": INTEGER,
        "duration_milliseconds": INTEGER,
        "status_code": INTEGER,
        "error": TEXT,
    }
)
COLUMNS: Final = {ArchivedTable.CALLBACKS: CALLBACKS, ArchivedTable.ATTEMPTS: ATTEMPTS}
# A row is deleted from the store only if it still is what was archived.
KEYS: Final = {
    ArchivedTable.CALLBACKS: ("callback_id", "ended_at"),
    ArchivedTable.ATTEMPTS: ("callback_id", "started_at"),
}
