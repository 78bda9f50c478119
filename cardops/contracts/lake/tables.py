"""The lake's tables and their columns, as every writer writes them and every reader may rely on.

`business_date` is in the path (`<table>/business_date=D/`), not among the columns. The tables of
input files are declared with their kinds.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT, TOTAL
from cardops.contracts.lake import callback_archive, fraud_rings, supplements, transaction_log

# The name of a table's only file of a business date, where the whole date is rewritten at once.
SNAPSHOT: Final = "snapshot"

# Closing balances. `ledger_seq` is the account's when it was read: later log rows are not in it.
BALANCES: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "user_id", "currency"), TEXT),
        **dict.fromkeys(("available_minor", "held_minor", "ledger_minor", "ledger_seq"), INTEGER),
    }
)
# A break of a file or a date has no user, one of row counts no currency. Sides, names of checks and
# units are those of cardops.rules.reconciliation.comparisons; the amounts count what the unit says.
RECONCILIATION_BREAKS: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "user_id", "currency", "side_a", "side_b"), TEXT),
        **dict.fromkeys(("amount_a_minor", "amount_b_minor"), TOTAL),
        **dict.fromkeys(("check_name", "subject", "unit"), TEXT),
    }
)
# What a reconciliation compared of the accounts of a program and currency: what they had at the date's
# end, and what is posted to them. `compared_from`: the first date whose postings were read again, on top
# of closing balances that agreed; absent where all were.
RECONCILIATION_TOTALS: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "currency"), TEXT),
        "account_count": INTEGER,
        **dict.fromkeys(("balance_minor", "posted_minor"), TOTAL),
        "compared_from": DATE,
    }
)
# What a safeguarding check compared: money has no account, an absent statement no figures. For
# statements that do not follow each other, the figures are the opening balance and the one before.
SAFEGUARDING: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "account_id", "currency", "check_name"), TEXT),
        **dict.fromkeys(("bank_minor", "owed_minor"), INTEGER),
        "is_break": pl.Boolean(),
        "compared_on": DATE,
    }
)
# Accepted rows that are in no chargeback file: see cardops.rules.chargebacks.filing.
WAITING_DISPUTES: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "batch_id", "network", "case_number", "stage"), TEXT),
        **dict.fromkeys(("status", "reason"), TEXT),
        "dispute_amount_minor": INTEGER,
        "dispute_currency": TEXT,
        "reply_by_on": DATE,
        "waiting_since": INSTANT,
        **dict.fromkeys(("intake_id", "row_number"), INTEGER),
    }
)
# What became of the rows of a chargeback file whose acknowledgement was read on the date: accepted ones,
# and rejected ones by reason code; or of a file that has none in time, on each date until one comes.
ACKNOWLEDGED_FILES: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "batch_id", "network", "destination", "file_name"), TEXT),
        "sequence": INTEGER,
        **dict.fromkeys(("verdict", "reason_code"), TEXT),
        "row_count": INTEGER,
        **dict.fromkeys(("delivered_at", "read_at"), INSTANT),
        "is_late": pl.Boolean(),
        "reopened_to": TEXT,
    }
)
# A chargeback file as it stood at a close, and what its card company answered. The hash is of the CSV as
# it is sent; the counts are those of the acknowledgement that stands.
FILE_DELIVERIES: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "batch_id", "network", "destination", "file_name"), TEXT),
        **dict.fromkeys(("sequence", "row_count"), INTEGER),
        **dict.fromkeys(("state", "content_sha256", "sent_sha256"), TEXT),
        "attempt_count": INTEGER,
        **dict.fromkeys(("made_at", "delivered_at"), INSTANT),
        "counts_on": DATE,
        "acknowledgement": TEXT,
        **dict.fromkeys(("accepted_count", "rejected_count"), INTEGER),
        "acknowledged_at": INSTANT,
    }
)
# A quarantined row without its record: see cardops.services.intake.quarantine_snapshots.
QUARANTINED_ROWS: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "kind"), TEXT),
        "intake_id": INTEGER,
        "source_file": TEXT,
        "row_number": INTEGER,
        "reasons": pl.List(TEXT),
        "state": TEXT,
        "claimed_on": DATE,
    }
)
# Who works on a dispute, and what was decided about which opening of it; both may be absent.
DISPUTE_RECORDS: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "network", "case_number", "owner", "decision", "stage"), TEXT),
        "opening_number": INTEGER,
    }
)
# Where a dispute under a policy of disputed money stood: see cardops.services.provisional.snapshot.
# Dates of clocks that do not run are absent; the disputed and the given amount have currencies of
# their own.
PROVISIONAL_CREDITS: Final = pl.Schema(
    {
        **dict.fromkeys(("program", "network", "case_number", "transaction_id", "user_id"), TEXT),
        **dict.fromkeys(("policy", "state", "waiting_reason", "outcome", "decision"), TEXT),
        "dispute_amount_minor": INTEGER,
        "dispute_currency": TEXT,
        **dict.fromkeys(("credit_amount_minor", "kept_amount_minor"), INTEGER),
        "credit_currency": TEXT,
        **dict.fromkeys(("notified_on", "credit_due_on", "credited_on", "final_on"), DATE),
        "ended_on": DATE,
        "notice": TEXT,
        **dict.fromkeys(("notice_due_on", "deferred_until"), DATE),
        "needs_person": pl.Boolean(),
        "missed_clock": TEXT,
        "as_of_on": DATE,
    }
)
_OTHER_TABLES: Final[Mapping[str, pl.Schema]] = {
    transaction_log.TABLE: transaction_log.COLUMNS,
    "balances": BALANCES,
    "reconciliation_breaks": RECONCILIATION_BREAKS,
    "reconciliation_totals": RECONCILIATION_TOTALS,
    "safeguarding": SAFEGUARDING,
    "dispute_records": DISPUTE_RECORDS,
    "acknowledged_files": ACKNOWLEDGED_FILES,
    "waiting_disputes": WAITING_DISPUTES,
    "file_deliveries": FILE_DELIVERIES,
    "quarantined_rows": QUARANTINED_ROWS,
    "provisional_credits": PROVISIONAL_CREDITS,
    supplements.TABLE: supplements.SUPPLEMENTS,
    **fraud_rings.TABLES,
    **{table.value: columns for table, columns in callback_archive.COLUMNS.items()},
}


def lake_tables() -> Mapping[str, pl.Schema]:
    """Every table of the lake by name."""
    return {**_tables_of_kinds(), **_OTHER_TABLES}


def columns_of(table: str) -> pl.Schema | None:
    """The columns of one table, or None where no table has this name."""
    return _OTHER_TABLES.get(table) or _tables_of_kinds().get(table)


def empty_frame(table: str) -> pl.DataFrame:
    """No rows, all columns: what a reader sees of a table that has no file yet."""
    return pl.DataFrame(schema=lake_tables()[table])


def _tables_of_kinds() -> Mapping[str, pl.Schema]:
    # The kinds load pandera, and light commands import this module.
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415

    return {profile.kind: profile.lake_table for profile in KINDS.values()}
