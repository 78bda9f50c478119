"""Fraud reports: payments that issuers reported to Visa (TC40) or Mastercard (SAFE) as fraud.

A report is no dispute and moves no money: monitoring programmes count it. It names its payment by the
transaction's id or the acquirer's reference number. A transaction is required only where nothing else
names the network.
"""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.cards import card_bin, card_last4
from cardops.contracts.columns.networks import with_card_company
from cardops.contracts.columns.parsed import parsed_day, parsed_instant, parsed_minor
from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT
from cardops.contracts.importers.fraud import FRAUD_REPORTS as REPORTS
from cardops.contracts.kinds.contract import (
    Contract,
    amount_field,
    currency_field,
    date_field,
    id_field,
    instant_field,
    status_field,
    text_field,
)
from cardops.contracts.kinds.named_payments import IS_UNKNOWN, NAMED_PAYMENT, payment_flags
from cardops.contracts.kinds.profile import ORIGIN, Judgement, KindProfile
from cardops.rules.chargebacks.fraud_reports import NETWORK_OF_SOURCE, derived_report_id
from cardops.rules.intake.files import Kind, RowReason

SOURCES: Final = tuple(NETWORK_OF_SOURCE)
STATUSES: Final = ("reported", "withdrawn")


class FraudReportRow(pa.DataFrameModel):
    """One payment that an issuer reported as fraud."""

    source: str = status_field(
        "`tc40` of Visa, `safe` of Mastercard, else `other`", SOURCES, required=True
    )
    reported_on: str = date_field("when the issuer's report was received", required=True)
    amount: str = amount_field("what is reported as fraud", required=True)
    currency: str = currency_field("of the amount", required=True)
    transaction_id: str | None = id_field("the payment; this or `arn` is required", required=False)
    arn: str | None = id_field("its acquirer reference number", required=False)
    report_id: str | None = id_field(
        "the report's own id; else derived from source and payment", required=False
    )
    fraud_type: str | None = text_field("the network's code for how")
    card_network: str | None = text_field("the card company; else the source's, card's, payment's")
    card_number: str | None = text_field("masked or full: cut to BIN and last four on read")
    merchant_id: str | None = id_field("who was paid; else the transaction's", required=False)
    status: str | None = status_field(
        "`withdrawn`: the issuer took it back; else reported", STATUSES, required=False
    )
    updated_at: str | None = instant_field("when its status last changed", required=False)


def judge_fraud_reports(
    rows: pl.DataFrame, _batch_mode: str | None, routes: Mapping[str, str]
) -> Judgement:
    """Finds the network and the report's id; a report must name its payment."""
    filled = rows.with_columns(
        pl.col("source").str.to_lowercase(), pl.col("status").str.to_lowercase()
    )
    implied = pl.col("source").replace_strict(
        NETWORK_OF_SOURCE, default=None, return_dtype=pl.String()
    )
    named = filled.with_columns(pl.coalesce("card_network", implied).alias("card_network"))
    routed = _with_report_id(with_card_company(named, routes=routes))
    payment = pl.coalesce("transaction_id", "arn")
    # An unknown source is a reason of its own.
    is_sourced = pl.col("source").is_in(SOURCES).fill_null(value=False)
    has_no_network = is_sourced & payment.is_not_null() & pl.col("network").is_null()
    waits = has_no_network & IS_UNKNOWN & pl.col("scheme").is_null()
    return Judgement(
        routed,
        {
            RowReason.MISSING_FIELD: payment.is_null(),
            RowReason.ORPHANED_REFERENCE: waits,
            RowReason.UNROUTABLE_NETWORK: has_no_network & ~waits,
        },
        payment_flags(),
    )


def _with_report_id(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without an id of their own get one, so that a report sent again is the same report."""
    if rows["report_id"].null_count() == 0:
        return rows
    payment = pl.coalesce("transaction_id", "arn").fill_null("").alias("payment")
    derived = pl.struct(pl.col("source").fill_null(""), payment).map_elements(
        lambda row: derived_report_id(row["source"], row["payment"]), return_dtype=pl.String()
    )
    return rows.with_columns(
        report_id=pl.when(pl.col("report_id").is_null()).then(derived).otherwise("report_id")
    )


FRAUD_REPORTS: Final = KindProfile(
    subject="fraud_report",
    contract=Contract(
        kind=Kind("fraud_reports"),
        model=FraudReportRow,
        aliases={
            "amount": ("fraud_amount", "amt"),
            "card_network": ("network", "scheme"),
            "fraud_type": ("fraud_reason_code",),
            "reported_on": ("fraud_reported_on", "source_date"),
            "arn": ("acquirer_reference_number", "acquirer_reference"),
            "transaction_id": ("transaction_reference",),
        },
        importers=REPORTS,
    ),
    reference=NAMED_PAYMENT,
    judge=judge_fraud_reports,
    lake_table=pl.Schema(
        {
            **ORIGIN,
            **dict.fromkeys(("report_id", "source", "network", "network_source"), TEXT),
            **dict.fromkeys(("transaction_id", "arn", "merchant_id", "fraud_type"), TEXT),
            "reported_on": DATE,
            "amount_minor": INTEGER,
            **dict.fromkeys(("currency", "card_bin", "card_last4", "status"), TEXT),
            "updated_at": INSTANT,
        }
    ),
    lake_values={
        "reported_on": parsed_day("reported_on"),
        "amount_minor": parsed_minor("amount"),
        "card_bin": card_bin("card_number"),
        "card_last4": card_last4("card_number"),
        "status": pl.col("status").fill_null("reported"),
        "updated_at": parsed_instant("updated_at"),
    },
    typed_text=("fraud_type",),
    identity=("source", "report_id"),
    lookup_column="report_id",
    # A row without an id gets one that follows from its payment.
    shared_id_columns=("report_id", "transaction_id", "arn"),
    immutable=("transaction_id", "currency"),
    # These depend on whether the transaction has arrived.
    not_content=frozenset({"network", "network_source"}),
    description="Payments that issuers reported as fraud, every version; invalid rows quarantined.",
    job_description="Ingest reports of fraud (TC40, SAFE) into the lake.",
)
