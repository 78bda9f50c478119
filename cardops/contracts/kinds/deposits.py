"""Deposits: money into an account from outside, credited once each."""

from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.parsed import parsed_instant, parsed_minor
from cardops.contracts.columns.types import INSTANT, INTEGER, TEXT
from cardops.contracts.kinds.contract import (
    Contract,
    amount_field,
    currency_field,
    id_field,
    instant_field,
)
from cardops.contracts.kinds.profile import ORIGIN, KindProfile
from cardops.rules.intake.files import Kind


class DepositRow(pa.DataFrameModel):
    """Money into an account from outside."""

    user_id: str = id_field("whose account", required=True)
    amount: str = amount_field("decimal text in the currency's own unit", required=True)
    deposit_id: str = id_field(
        "the sender's id: credited once, whatever is sent again", required=True
    )
    timestamp: str = instant_field("when the money came", required=True)
    currency: str | None = currency_field("else the program's", required=False)


DEPOSITS: Final = KindProfile(
    subject="deposit",
    contract=Contract(
        kind=Kind("deposits"),
        model=DepositRow,
        aliases={"amount": ("amt",), "user_id": ("customer_id",), "timestamp": ("created_at",)},
    ),
    program_currency=("currency",),
    lake_table=pl.Schema(
        {
            **ORIGIN,
            "deposit_id": TEXT,
            "user_id": TEXT,
            "currency": TEXT,
            "amount_minor": INTEGER,
            "occurred_at": INSTANT,
            "ledger_seq": INTEGER,
        }
    ),
    lake_values={
        "amount_minor": parsed_minor("amount"),
        "occurred_at": parsed_instant("timestamp"),
    },
    identity=("deposit_id",),
    immutable=("user_id", "currency", "amount_minor", "occurred_at"),
    applied_to="deposit_ledger",
    description=(
        "Deposits claimed on one business date, credited once each; invalid rows are quarantined."
    ),
    job_description="Ingest deposit files into accounts and the lake.",
    asset_kinds=frozenset({"postgres", "parquet"}),
)
