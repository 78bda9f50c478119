"""Chargeback rows, with only what a test cares about spelled out."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from typing import Any

import polars as pl
from hypothesis import strategies as st

from cardops.contracts.kinds.chargebacks import CHARGEBACKS
from cardops.rules.chargebacks.routing import NETWORKS
from tests.oracles.chargeback_files import Chargeback

PLAIN = Chargeback(
    case_number="CB-1",
    stage="chargeback",
    action_sequence=1,
    network="visa",
    transaction_id="txn_1",
    arn=None,
    merchant_id="m_1",
    merchant_name="Corner Shop",
    card_bin="411111",
    card_last4="1111",
    transaction_date=date(2026, 11, 1),
    transaction_amount_minor=2500,
    transaction_currency="USD",
    dispute_amount_minor=2500,
    dispute_currency="USD",
    dispute_date=date(2026, 11, 20),
    reason_code="10.4",
    reason_category="fraud",
    reason_text="Not me",
    status="open",
    reply_by_date=date(2026, 12, 20),
)


def a_chargeback(case_number: str = "CB-1", **values: Any) -> Chargeback:
    return replace(PLAIN, case_number=case_number, **values)


def lake_frame(
    rows: Sequence[Chargeback],
    *,
    batch_id: str = "default-2026-11-20-001",
    program: str = "default",
    intake_id: int = 1,
) -> pl.DataFrame:
    """The rows as the lake's chargebacks have them."""
    origin = {
        "program": program,
        "intake_id": intake_id,
        "source_file": "in.csv",
        "flags": [],
        "batch_id": batch_id,
        "network_source": "column",
        "resolution_date": None,
        "payment_method": None,
    }
    names = [field.name for field in fields(Chargeback)]
    records = [
        {**origin, "row_number": number, **{name: getattr(row, name) for name in names}}
        for number, row in enumerate(rows, start=1)
    ]
    return pl.DataFrame(records, schema=CHARGEBACKS.lake_table)


ids = st.text(alphabet="Aa1_.:-", min_size=1, max_size=4)
texts = (
    st.none()
    | st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\0"),
        max_size=6,
    )
    | st.sampled_from(["=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", "\tx", "\rx", 'a"b', "l\r\nm"])
)
currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF"])
dates = st.dates(date(2020, 1, 1), date(2026, 12, 31))
amounts = st.integers(1, 10**15)

chargebacks = st.builds(
    Chargeback,
    case_number=ids,
    stage=st.sampled_from(["inquiry", "chargeback", "pre_arbitration", "won"]),
    action_sequence=st.integers(1, 12),
    network=st.sampled_from(NETWORKS),
    transaction_id=ids,
    arn=st.none() | ids,
    merchant_id=st.none() | ids,
    merchant_name=texts,
    card_bin=st.none() | st.just("411111"),
    card_last4=st.none() | st.just("1111"),
    transaction_date=st.none() | dates,
    transaction_amount_minor=st.none() | amounts,
    transaction_currency=st.none() | currencies,
    dispute_amount_minor=amounts,
    dispute_currency=currencies,
    dispute_date=dates,
    reason_code=texts,
    reason_category=st.none() | st.just("fraud"),
    reason_text=texts,
    status=texts,
    reply_by_date=st.none() | dates,
)
