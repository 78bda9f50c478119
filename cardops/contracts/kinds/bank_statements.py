"""Bank statements: what the bank booked on an account, between two balances that must add up.

One row an entry, with its statement's balances beside it; a statement without entries is one row
with the balances alone. The lake has amounts signed: credits positive, debits negative.
"""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.balances import balance_failures, balance_minor
from cardops.contracts.columns.parsed import parsed_day, parsed_minor
from cardops.contracts.columns.types import DATE, INTEGER, TEXT
from cardops.contracts.kinds.contract import (
    Contract,
    amount_field,
    currency_field,
    date_field,
    id_field,
    status_field,
    text_field,
)
from cardops.contracts.kinds.profile import ORIGIN, Judgement, KindProfile
from cardops.contracts.statements.rows import CONVERTERS
from cardops.rules.intake.files import Kind, RowReason
from cardops.rules.money import format_amount

DIRECTIONS: Final = ("credit", "debit")
# The entry of a statement without entries.
NO_ENTRY: Final = "balances"
_STATEMENT: Final = ("account_id", "statement_id", "currency")
_BALANCES: Final = ("opening_balance_minor", "closing_balance_minor")


class BankStatementRow(pa.DataFrameModel):
    """One entry of a bank statement, with the statement's balances."""

    account_id: str = id_field("the bank account", required=True)
    statement_id: str = id_field("the bank's id of the statement", required=True)
    statement_date: str = date_field("date of the closing balance", required=True)
    currency: str = currency_field("of the account", required=True)
    opening_balance: str = text_field("decimal text, below zero with a minus sign", required=True)
    closing_balance: str = text_field("decimal text, below zero with a minus sign", required=True)
    entry_id: str | None = id_field("unique in the statement; none: no entries", required=False)
    amount: str | None = amount_field("what was booked, without a sign", required=False)
    direction: str | None = status_field("into or out of it", DIRECTIONS, required=False)
    booking_date: str | None = date_field("when it was booked", required=False)
    value_date: str | None = date_field(
        "from when it bears interest", required=False, may_be_ahead=True
    )
    reference: str | None = text_field("the payment's own reference")
    remittance: str | None = text_field("what the payer wrote")


def judge_bank_statements(
    rows: pl.DataFrame, _batch_mode: str | None, _routes: Mapping[str, str]
) -> Judgement:
    """An entry has an id, an amount and a direction, or none of them; balances may be negative."""
    cells = ("entry_id", "amount", "direction")
    given = pl.sum_horizontal(pl.col(name).is_not_null() for name in cells)
    reasons = {RowReason.MISSING_FIELD: given.is_between(1, len(cells) - 1)}
    for column in ("opening_balance", "closing_balance"):
        for reason, failed in balance_failures(column, "currency").items():
            reasons[reason] = reasons.get(reason, pl.lit(value=False)) | failed
    return Judgement(rows, reasons)


def statement_that_does_not_add_up(valid: pl.LazyFrame) -> str | None:
    """The first statement whose opening balance and entries do not make its closing one."""
    entries = valid.select(*_STATEMENT, *_BALANCES, "entry_id", "amount_minor").unique()
    sums = (
        entries.group_by(_STATEMENT)
        .agg(
            *(pl.col(name).min().alias(name) for name in _BALANCES),
            pl.any_horizontal(pl.col(name).n_unique() > 1 for name in _BALANCES).alias("differ"),
            pl.col("amount_minor").sum().alias("booked_minor"),
        )
        .with_columns(expected_minor=pl.col("opening_balance_minor") + pl.col("booked_minor"))
        .filter(pl.col("differ") | (pl.col("expected_minor") != pl.col("closing_balance_minor")))
        .sort(_STATEMENT)
        .head(1)
        .collect()
    )
    if sums.is_empty():
        return None
    row = sums.row(0, named=True)
    name = f"statement {row['statement_id']} of account {row['account_id']}"
    if row["differ"]:
        return f"{name} has rows with different balances, so none of it was ingested."

    def money(column: str) -> str:
        return f"{format_amount(row[column], row['currency'])} {row['currency']}"

    return (
        f"{name} does not add up, so none of it was ingested: its opening balance of "
        f"{money('opening_balance_minor')} and its entries make {money('expected_minor')}, its "
        f"closing balance is {money('closing_balance_minor')}. Ask the bank for the whole statement."
    )


BANK_STATEMENTS: Final = KindProfile(
    subject="bank_statement",
    contract=Contract(
        kind=Kind("bank_statements"),
        # Version 1 accepted the same; its published schema allowed any text as a balance.
        version=2,
        model=BankStatementRow,
        balances=("opening_balance", "closing_balance"),
        sides={"amount": "direction"},
        converters=CONVERTERS,
    ),
    judge=judge_bank_statements,
    refusal=statement_that_does_not_add_up,
    lake_table=pl.Schema(
        {
            **ORIGIN,
            **dict.fromkeys(("account_id", "statement_id", "entry_id", "currency"), TEXT),
            "statement_date": DATE,
            **dict.fromkeys((*_BALANCES, "amount_minor"), INTEGER),
            **dict.fromkeys(("booking_date", "value_date"), DATE),
            **dict.fromkeys(("reference", "remittance"), TEXT),
        }
    ),
    lake_values={
        "entry_id": pl.col("entry_id").fill_null(NO_ENTRY),
        "statement_date": parsed_day("statement_date"),
        "opening_balance_minor": balance_minor("opening_balance", "currency"),
        "closing_balance_minor": balance_minor("closing_balance", "currency"),
        "amount_minor": pl.when(pl.col("amount").is_null())
        .then(0)
        .when(pl.col("direction") == "debit")
        .then(-parsed_minor("amount"))
        .otherwise(parsed_minor("amount")),
        "booking_date": parsed_day("booking_date"),
        "value_date": parsed_day("value_date"),
    },
    typed_text=("reference", "remittance"),
    control_totals=None,
    identity=(*_STATEMENT, "entry_id"),
    # An account has every statement of its years.
    lookup_column="statement_id",
    immutable=(*_BALANCES, "amount_minor", "statement_date"),
    description="Bank statements, one row an entry; a statement that does not add up is refused.",
    job_description="Ingest bank statements into the lake.",
)
