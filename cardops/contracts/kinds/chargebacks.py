"""Chargebacks: steps of disputes, as processors and card companies report them, in batches.

A transaction is required only for what is taken from it: a row that names its currency and network
is accepted without one and flagged; otherwise it waits for the transaction.
"""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.cards import card_bin, card_last4
from cardops.contracts.columns.money import amount_minor
from cardops.contracts.columns.networks import with_network
from cardops.contracts.columns.parsed import parsed_day, parsed_instant, parsed_minor
from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT
from cardops.contracts.importers.importers import DISPUTE_REPORTS
from cardops.contracts.kinds.contract import (
    Contract,
    amount_field,
    currency_field,
    date_field,
    id_field,
    status_field,
    text_field,
)
from cardops.contracts.kinds.damaged_values import (
    HAS_DAMAGE,
    HAS_NO_TRANSACTION,
    without_damaged_values,
)
from cardops.contracts.kinds.dispute_clocks import completed
from cardops.contracts.kinds.dispute_steps import DISPUTE_STEPS
from cardops.contracts.kinds.profile import ORIGIN, Judgement, KindProfile, Reference
from cardops.rules.chargebacks.files import SplitMode
from cardops.rules.chargebacks.routing import MIXED
from cardops.rules.intake.files import Kind, RowFlag, RowReason

STATUSES: Final = (
    "open",
    "won",
    "lost",
    "pending_response",
    "resolved",
    "pending",
    "accepted",
    "expired",
    "prevented",
)
DIRECTIONS: Final = ("debit", "credit")
# Amounts that may be absent or zero -> their currencies.
_MAY_BE_ZERO: Final = {
    "transaction_amount": "transaction_currency",
    "settlement_amount": "settlement_currency",
    "fee_amount": "fee_currency",
}
_OPTIONAL_IDS: Final = ("merchant_id", "arn", "transaction_auth_code")
_OPTIONAL_DATES: Final = ("transaction_date", "reply_by_date", "resolution_date", "activity_date")
# One dispute, whatever the network.
_DISPUTE: Final = ("case_number", "transaction_id")


class ChargebackRow(pa.DataFrameModel):
    """One step of a dispute, as a processor or card company reports it."""

    transaction_id: str = id_field("the disputed transaction", required=True)
    chargeback_amount: str = amount_field("what is disputed", required=True)
    dispute_date: str = date_field("when the dispute began", required=True)
    currency: str | None = currency_field("else the transaction's", required=False)
    case_number: str | None = id_field(
        "else derived from network, transaction, dispute date, reason, amount and currency",
        required=False,
    )
    card_network: str | None = text_field("the card company; else found by other evidence")
    card_number: str | None = text_field("masked or full: cut to BIN and last four on read")
    merchant_id: str | None = id_field("who was paid", required=False)
    merchant_name: str | None = text_field("the name on the statement")
    transaction_date: str | None = date_field("when the payment was made", required=False)
    transaction_amount: str | None = amount_field(
        "the whole payment", required=False, currency="transaction_currency"
    )
    transaction_currency: str | None = currency_field(
        "of the whole payment; else the transaction's, else the disputed amount's", required=False
    )
    chargeback_reason: str | None = text_field("the cardholder's reason in words")
    reason_code: str | None = text_field("the network's code for why")
    stage: str | None = text_field("where the dispute stands; else chargeback")
    status: str | None = status_field("how it goes", STATUSES, required=False)
    reply_by_date: str | None = date_field("by when to answer", required=False, may_be_ahead=True)
    resolution_date: str | None = date_field("when it ended", required=False)
    arn: str | None = id_field("acquirer reference number", required=False)
    activity_date: str | None = date_field(
        "when this step happened; orders the steps of a dispute", required=False
    )
    direction: str | None = status_field(
        "`credit`: money comes back; else debit", DIRECTIONS, required=False
    )
    settlement_amount: str | None = amount_field(
        "what was settled", required=False, currency="settlement_currency"
    )
    settlement_currency: str | None = currency_field(
        "of what was settled; else the disputed amount's", required=False
    )
    fee_amount: str | None = amount_field(
        "what the step cost", required=False, currency="fee_currency"
    )
    fee_currency: str | None = currency_field(
        "of the fee; else the disputed amount's", required=False
    )
    transaction_auth_code: str | None = id_field("the payment's authorization code", required=False)


def judge_chargebacks(
    rows: pl.DataFrame, batch_mode: str | None, routes: Mapping[str, str]
) -> Judgement:
    """Finds network, stage and reason. A size-balanced batch has one destination: no network."""
    filled = rows.with_columns(
        pl.coalesce("currency", "paid_currency").alias("currency"),
        pl.coalesce(
            "transaction_currency",
            pl.when(pl.col("transaction_amount").is_not_null()).then("paid_currency"),
        ).alias("transaction_currency"),
        pl.col("status").str.to_lowercase(),
        pl.col("direction").str.to_lowercase(),
        *(_unless_zero(name) for name in _MAY_BE_ZERO),
    ).with_columns(
        pl.coalesce(name, pl.when(pl.col(amount).is_not_null()).then("currency")).alias(name)
        for amount, name in _MAY_BE_ZERO.items()
    )
    filled = without_damaged_values(
        filled, ids=_OPTIONAL_IDS, amounts=_MAY_BE_ZERO, dates=_OPTIONAL_DATES
    )
    has_no_transaction = pl.col(HAS_NO_TRANSACTION)
    is_size_balanced = batch_mode == SplitMode.SIZE_BALANCED
    routed = with_network(filled, is_size_balanced=is_size_balanced, routes=routes)
    names_transaction = pl.col("transaction_id").is_not_null() & ~has_no_transaction
    is_unknown = ~pl.col("is_known") & names_transaction
    is_unnamed = pl.col("network").is_null() & pl.col("scheme").is_null()
    is_unroutable = pl.col("network").is_null() & (
        pl.col("is_known") | ~is_unnamed | has_no_transaction
    )
    same_currency = pl.col("currency") == pl.col("paid_currency")
    # Amounts in two currencies do not compare.
    comparable = pl.col("transaction_currency") == pl.col("currency")
    said_minor = amount_minor("transaction_amount", "transaction_currency")
    whole_minor = pl.coalesce(
        pl.when(same_currency).then("paid_minor"), pl.when(comparable).then(said_minor)
    )
    return Judgement(
        routed,
        {
            RowReason.INVALID_STATUS: pl.col("stage").is_null(),
            RowReason.ORPHANED_REFERENCE: is_unknown & (pl.col("currency").is_null() | is_unnamed),
            RowReason.UNROUTABLE_NETWORK: is_unroutable,
        },
        {
            RowFlag.TRANSACTION_UNKNOWN: is_unknown,
            RowFlag.CURRENCY_DIFFERS: ~same_currency,
            RowFlag.AMOUNT_EXCEEDS_TRANSACTION: amount_minor("chargeback_amount", "currency")
            > whole_minor,
            RowFlag.DAMAGED_VALUE: pl.col(HAS_DAMAGE),
            RowFlag.REFUNDED_ALREADY: pl.col("paid_status").str.to_lowercase() == "refunded",
            RowFlag.FAILED_PAYMENT: pl.col("paid_status").str.to_lowercase() == "failed",
        },
    )


def _unless_zero(amount: str) -> pl.Expr:
    """Reports write 0.00 where nothing was settled or charged: that is no amount."""
    return pl.when(~pl.col(amount).str.contains(r"^0+(\.0*)?$")).then(amount).alias(amount)


def _signed_minor(amount: str) -> pl.Expr:
    """Minor units, negative where the step gives money back."""
    minor = parsed_minor(amount)
    return pl.when(pl.col("direction") == "credit").then(-minor).otherwise(minor)


def align_networks(
    valid: pl.LazyFrame, earlier: pl.LazyFrame | None
) -> tuple[pl.LazyFrame, pl.LazyFrame | None]:
    """A dispute accepted with network `mixed` stays that dispute under any network: sent once."""
    frames = [valid] if earlier is None else [valid, earlier]
    mixed = pl.concat(frame.filter(pl.col("network") == MIXED).select(_DISPUTE) for frame in frames)
    if mixed.head(1).collect().is_empty():
        return valid, earlier
    disputes = (
        mixed.join(valid.select(_DISPUTE), on=_DISPUTE, how="semi", nulls_equal=True)
        .unique()
        .collect()
    )
    return _as_mixed(valid, disputes), earlier if earlier is None else _as_mixed(earlier, disputes)


def _as_mixed(rows: pl.LazyFrame, disputes: pl.DataFrame) -> pl.LazyFrame:
    marked = rows.join(
        disputes.lazy().with_columns(is_mixed=True),
        on=_DISPUTE,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    network = pl.when("is_mixed").then(pl.lit(MIXED)).otherwise("network")
    return marked.with_columns(network=network).drop("is_mixed")


CHARGEBACKS: Final = KindProfile(
    subject="chargeback",
    contract=Contract(
        kind=Kind("chargebacks"),
        model=ChargebackRow,
        # 2: the whole payment has a currency of its own. 3: a step has a date, a direction and fees.
        version=3,
        # A header serves one column: `amount` is the disputed one unless the file has `chargeback_amount`.
        aliases={
            "chargeback_amount": ("amount", "amt"),
            "transaction_amount": ("amount", "amt"),
        },
        importers=DISPUTE_REPORTS,
    ),
    reference=Reference(
        Kind("transactions"),
        "transaction_id",
        {
            "currency": "paid_currency",
            "amount_minor": "paid_minor",
            "card_network": "paid_network",
            "provider": "paid_provider",
            "payment_method": "payment_method",
            "status": "paid_status",
        },
    ),
    judge=judge_chargebacks,
    lake_table=pl.Schema(
        {
            **ORIGIN,
            **dict.fromkeys(("batch_id", "case_number", "stage"), TEXT),
            "action_sequence": INTEGER,
            **dict.fromkeys(("network", "network_source", "transaction_id", "arn"), TEXT),
            **dict.fromkeys(("merchant_id", "merchant_name", "card_bin", "card_last4"), TEXT),
            "transaction_date": DATE,
            "transaction_amount_minor": INTEGER,
            "transaction_currency": TEXT,
            "dispute_amount_minor": INTEGER,
            "dispute_currency": TEXT,
            "dispute_date": DATE,
            **dict.fromkeys(("reason_code", "reason_category", "reason_text", "status"), TEXT),
            **dict.fromkeys(("reply_by_date", "resolution_date"), DATE),
            "payment_method": TEXT,
            "activity_date": INSTANT,
            "direction": TEXT,
            "settlement_amount_minor": INTEGER,
            "settlement_currency": TEXT,
            "fee_amount_minor": INTEGER,
            **dict.fromkeys(("fee_currency", "transaction_auth_code"), TEXT),
            "clock_from": DATE,
            "reply_by_on": DATE,
            "clock": TEXT,
            "happened_at": INSTANT,
            "response_days": INTEGER,
            "response_days_source": TEXT,
        }
    ),
    lake_values={
        "transaction_id": pl.when(~pl.col(HAS_NO_TRANSACTION)).then("transaction_id"),
        "card_bin": card_bin("card_number"),
        "card_last4": card_last4("card_number"),
        "transaction_date": parsed_day("transaction_date"),
        "transaction_amount_minor": parsed_minor("transaction_amount"),
        "dispute_amount_minor": _signed_minor("chargeback_amount"),
        "dispute_currency": pl.col("currency"),
        "dispute_date": parsed_day("dispute_date"),
        "clock_from": parsed_day("dispute_date"),
        "reason_text": pl.col("chargeback_reason"),
        "reply_by_date": parsed_day("reply_by_date"),
        "resolution_date": parsed_day("resolution_date"),
        "activity_date": parsed_instant("activity_date"),
        "direction": pl.col("direction").fill_null("debit"),
        "settlement_amount_minor": _signed_minor("settlement_amount"),
        "fee_amount_minor": parsed_minor("fee_amount"),
    },
    typed_text=("merchant_name", "chargeback_reason", "reason_code"),
    control_totals=("dispute_amount_minor", "dispute_currency"),
    identity=("network", "case_number"),
    immutable=("transaction_id", "dispute_currency"),
    # These depend on which transactions have arrived, on tables or numbers of ours; a direction is
    # the sign of its amount, and absent in older files.
    not_content=frozenset(
        {
            "action_sequence",
            "clock_from",
            "reply_by_on",
            "clock",
            "happened_at",
            "response_days",
            "response_days_source",
            "network_source",
            "reason_category",
            "payment_method",
            "transaction_amount_minor",
            "transaction_currency",
            "direction",
        }
    ),
    align_identities=align_networks,
    sequence=DISPUTE_STEPS,
    complete=completed,
    lookup_column="case_number",
    # A row without a case number gets one that follows from its transaction.
    shared_id_columns=("case_number", "transaction_id"),
    has_batches=True,
    description=(
        "One batch's chargebacks with their network, stage and reason; invalid rows are quarantined."
    ),
    job_description="Ingest one batch of chargeback files into the lake.",
    asset_group="chargebacks",
)
