"""Pre-dispute outcomes: what became of alerts of RDR, CDRN, Ethoca and the like.

An alert comes before a dispute; one that the merchant refunds or accepts prevents it, and monitoring
programmes do not count that dispute. An alert that was matched with no payment names none.
"""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl

from cardops.contracts.columns.cards import card_bin, card_last4
from cardops.contracts.columns.networks import with_card_company
from cardops.contracts.columns.parsed import parsed_day, parsed_instant, parsed_minor
from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT
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
from cardops.contracts.kinds.named_payments import NAMED_PAYMENT, payment_flags
from cardops.contracts.kinds.profile import ORIGIN, Judgement, KindProfile
from cardops.rules.chargebacks.fraud_reports import NETWORK_OF_SERVICE, pre_dispute_outcomes
from cardops.rules.intake.files import Kind

SERVICES: Final = tuple(NETWORK_OF_SERVICE)
# What people write in front of a service's name, such as `Verifi RDR`.
_MAKERS: Final = r"^(?:verifi|visa|mastercard)[ _-]"


class PreDisputeOutcomeRow(pa.DataFrameModel):
    """What became of one alert that came before a dispute."""

    case_id: str = id_field("the service's id of the alert", required=True)
    service: str = status_field("who sent the alert", SERVICES, required=True)
    outcome: str = status_field("what became of it", tuple(pre_dispute_outcomes()), required=True)
    outcome_on: str = date_field("when that was decided", required=True)
    amount: str = amount_field("what would be disputed", required=True)
    currency: str = currency_field("of the amount", required=True)
    transaction_id: str | None = id_field("the payment", required=False)
    arn: str | None = id_field("its acquirer reference number", required=False)
    card_network: str | None = text_field("the card company; else the service's, card's, payment's")
    card_number: str | None = text_field("masked or full: cut to BIN and last four on read")
    merchant_id: str | None = id_field("who was paid; else the transaction's", required=False)
    updated_at: str | None = instant_field("when the outcome last changed", required=False)


def judge_pre_dispute_outcomes(
    rows: pl.DataFrame, _batch_mode: str | None, routes: Mapping[str, str]
) -> Judgement:
    """Finds the network, which may be unknown: the dispute that was prevented names it in the mart."""
    service = (
        pl.col("service").str.to_lowercase().str.replace(_MAKERS, "").str.replace_all("[ -]", "_")
    )
    filled = rows.with_columns(service, pl.col("outcome").str.to_lowercase())
    implied = pl.col("service").replace_strict(
        NETWORK_OF_SERVICE, default=None, return_dtype=pl.String()
    )
    named = filled.with_columns(pl.coalesce("card_network", implied).alias("card_network"))
    return Judgement(
        with_card_company(named, routes=routes),
        flags=payment_flags(),
    )


PRE_DISPUTE_OUTCOMES: Final = KindProfile(
    subject="pre_dispute_outcome",
    contract=Contract(
        kind=Kind("pre_dispute_outcomes"),
        model=PreDisputeOutcomeRow,
        # Names of Ethoca's and of alert resellers' interfaces.
        aliases={
            "case_id": ("alert_id", "provider_alert_id"),
            "service": ("provider", "alert_source"),
            "outcome_on": ("action_timestamp", "resolved_on"),
            "amount": ("transaction_amount", "amt"),
            "currency": ("transaction_currency",),
            "arn": ("acquirer_reference_number",),
            "card_network": ("network", "card_brand"),
        },
    ),
    reference=NAMED_PAYMENT,
    judge=judge_pre_dispute_outcomes,
    lake_table=pl.Schema(
        {
            **ORIGIN,
            # `outcome` alone is what judging calls whether a row is accepted.
            **dict.fromkeys(("case_id", "service", "alert_outcome"), TEXT),
            "outcome_on": DATE,
            **dict.fromkeys(("network", "network_source", "transaction_id", "arn"), TEXT),
            "merchant_id": TEXT,
            "amount_minor": INTEGER,
            **dict.fromkeys(("currency", "card_bin", "card_last4"), TEXT),
            "updated_at": INSTANT,
        }
    ),
    lake_values={
        "alert_outcome": pl.col("outcome"),
        "outcome_on": parsed_day("outcome_on"),
        "amount_minor": parsed_minor("amount"),
        "card_bin": card_bin("card_number"),
        "card_last4": card_last4("card_number"),
        "updated_at": parsed_instant("updated_at"),
    },
    identity=("service", "case_id"),
    lookup_column="case_id",
    immutable=("currency",),
    # These depend on whether the transaction has arrived.
    not_content=frozenset({"network", "network_source"}),
    description="Outcomes of alerts before a dispute, every version; invalid rows quarantined.",
    job_description="Ingest outcomes of pre-dispute alerts (RDR, CDRN, Ethoca) into the lake.",
)
