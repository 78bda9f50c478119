"""A small lake of which every mart has rows, also those that need something special to have one.

Belongs here: what is beside the small lake of the marts' tests, the example of docs/kpis.md and the days
of the three-way match, each of which has its figures checked elsewhere.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.adapters.warehouse.ring_sources import LakeRingSources
from cardops.services.fraud.rings import FraudRings
from tests.factories.kpi_example import kpi_example
from tests.factories.lake_tables import DAY, NOON, a_posting, rows_of
from tests.factories.match_days import lake_of, match_days
from tests.fakes.lake import FakeLake

Rows = list[Mapping[str, Any]]
# An identifier of more users is a hub: cardops/rules/data/ring_limits.csv.
_MORE_THAN_A_CARD_HAS: Final = 12
_BAD_DAY: Final = DAY - timedelta(days=3)


def lake_of_every_mart(small: FakeLake) -> FakeLake:
    """The small lake and more programs in it."""
    for program, lake in (
        ("second", lake_of([match_days("second", 1, 2)])),
        ("kpi", kpi_example().lake),
    ):
        for (table, day, name), frame in lake.frames.items():
            small.write(table, day, f"{program}-{name}", _completed(frame, program))
    for (table, day), rows in {**_money(), **_payments_and_disputes()}.items():
        small.write(table, day, "every-mart", rows_of(table, *rows))
    rings = FraudRings(LakeRingSources(small), LakeRingSnapshots(small))
    rings.snapshot(DAY - timedelta(days=1))
    rings.snapshot(DAY)
    return small


def _completed(frame: pl.DataFrame, program: str) -> pl.DataFrame:
    """With what the days of matches leave out of a decision, in a program and in files of its own."""
    changes: dict[str, pl.Expr] = {"program": pl.lit(program)}
    if "intake_id" in frame.columns:
        changes["intake_id"] = pl.col("intake_id") + 1000 * (1 + len(program))
    if "remaining_minor" in frame.columns:
        changes["reason_code"] = pl.col("reason_code").fill_null("approved")
        changes["remaining_minor"] = pl.col("remaining_minor").fill_null(0)
    return frame.with_columns(**changes)


def _money() -> dict[tuple[str, date], Rows]:
    """Deposits that the bank funded by amount and by name, late and not at all; every kind of change."""
    deposits = [
        {"deposit_id": f"d-{number}", "row_number": number, "intake_id": 70 + number % 3}
        for number in range(1, 7)
    ]
    named = {"deposit_id": "d-9", "intake_id": 79, "source_file": "incoming/acme-0001.csv"}
    entries = [
        {"intake_id": 80, "row_number": number, "entry_id": f"e-{number}", "amount_minor": amount}
        for number, amount in enumerate((2000, 2000, 500), 1)
    ]
    paid_by_name = {
        **entries[0],
        "row_number": 9,
        "amount_minor": 999,
        "reference": "ACME-0001.csv",
    }
    changes = [
        a_posting("user_1", 1000, 50, event_key="d-1"),
        a_posting("user_1", -1000, 51, event_key="d-1", kind="recall"),
        a_posting("user_3", 1000, 1, event_key="d-2"),
        a_posting("user_3", -1000, 2, event_key="d-2", kind="recall"),
        a_posting("user_3", 900, 3, event_key="d-2/2", kind="reinstatement"),
        a_posting("user_3", 7, 4, event_key="p-9", kind="refund"),
    ]
    checks: Rows = [
        {"check_name": "statement_missing", "is_break": True},
        {"check_name": "funds_cover_balances", "bank_minor": 2**61, "owed_minor": -(2**61)},
    ]
    breaks: Rows = [
        {},
        {"user_id": "user_2", "amount_a_minor": 2**62, "amount_b_minor": -(2**62)},
        {"user_id": None, "currency": None, "check_name": "file_rows", "unit": "rows"},
    ]
    return {
        ("deposits", DAY): [*deposits, named],
        ("bank_statements", DAY): [*entries, paid_by_name],
        ("transaction_log", DAY): changes,
        ("safeguarding", DAY): checks,
        ("reconciliation_breaks", DAY): breaks,
        ("quarantined_rows", DAY - timedelta(days=1)): [
            {"reasons": []},
            {"row_number": 2, "reasons": ["invalid_amount", "unknown_currency"], "state": "held"},
        ],
    }


def _payments_and_disputes() -> dict[tuple[str, date], Rows]:
    """A program whose payments make a ring's hub, an ill provider, evidence and a merchant over a line."""
    return {
        ("transactions", _BAD_DAY - timedelta(days=150)): _numbered(90, _prior_sales()),
        ("transactions", _BAD_DAY - timedelta(days=1)): _numbered(91, _attempts(300, failed=3)),
        ("transactions", _BAD_DAY): _numbered(92, [*_attempts(40, failed=30, first=300), *_odd_ones()]),
        ("transactions", DAY): _numbered(93, [{**sale, "status": "refunded"} for sale in _disputed(3)]),
        ("orders", _BAD_DAY): _numbered(94, [{"order_id": "o-lost", "user_id": "user_7"}]),
        ("chargebacks", DAY): _numbered(95, _fraud_disputes()),
        ("fraud_reports", DAY): _numbered(96, _reports()),
        ("pre_dispute_outcomes", DAY): _numbered(97, [{"case_id": "a-9", "transaction_id": "v-2"}]),
        ("transaction_log", _BAD_DAY): [
            {**_PROGRAM, "kind": "decision", "event_key": f"v-{number}", "transaction_id": f"v-{number}",
             "status": "PERMIT", "reason_code": "sufficient_credit", "remaining_minor": 0,
             "is_capture": True, "posted_minor": -1000, "channel": channel}
            for number, channel in enumerate(("online", "pos", None))
        ],
    }  # fmt: skip


_PROGRAM: Final = {"program": "third", "currency": "USD"}
_CARD: Final = {
    "merchant_id": "m-9",
    "card_token": "tok-9",
    "device_id": "dev-9",
    "ip_address": "10.0.0.9",
    "card_network": "visa",
}


def _numbered(intake_id: int, rows: Rows) -> Rows:
    return [
        {**_PROGRAM, **row, "intake_id": intake_id, "row_number": number}
        for number, row in enumerate(rows, 1)
    ]


def _at(day: date) -> Mapping[str, Any]:
    return {"created_at": NOON - (DAY - day)}


def _prior_sales() -> Rows:
    """What speaks for the disputed sales: the same card, device and address, long before."""
    on = _at(_BAD_DAY - timedelta(days=150))
    return [
        {**on, **_CARD, "transaction_id": f"prior-{number}", "order_id": f"prior-{number}"}
        for number in range(3)
    ]


def _disputed(count: int) -> Rows:
    on = _at(_BAD_DAY)
    return [
        {**on, **_CARD, "transaction_id": f"v-{number}", "order_id": f"v-{number}"}
        for number in range(count)
    ]


def _attempts(count: int, *, failed: int, first: int = 0) -> Rows:
    """Payments of one provider on one day, of which so many failed."""
    on = _at(_BAD_DAY - timedelta(days=0 if first else 1))
    return [
        {**on, "transaction_id": f"s-{number}", "order_id": f"s-{number}", "provider": "stripe",
         "status": "failed" if number - first < failed else "completed",
         "error_code": "51" if number - first < failed else None}
        for number in range(first, first + count)
    ]  # fmt: skip


def _odd_ones() -> Rows:
    """A hub, an e-mail shared by two, texts nobody knows, no texts, and a user whom the order names."""
    on = _at(_BAD_DAY)
    users = range(_MORE_THAN_A_CARD_HAS)
    return [
        *_disputed(3),
        *({**on, "transaction_id": f"h-{user}", "order_id": f"h-{user}", "user_id": f"hub-{user}",
           "card_token": "tok-hub"} for user in users),
        *({**on, "transaction_id": f"m-{user}", "order_id": f"m-{user}", "user_id": f"mail-{user}",
           "email": f" A{'@'}Example.org"} for user in range(2)),
        {**on, "transaction_id": "x-1", "order_id": "x-1", "payment_method": "Sea Shells",
         "provider": "Barter-Hall", "card_network": "shellcard"},
        {**on, "transaction_id": "x-2", "order_id": "o-lost", "payment_method": None, "user_id": None,
         "device_id": "", "currency": "JPY", "amount_minor": 2**62},
        {**on, "transaction_id": "x-3", "order_id": "x-3", "payment_method": " ", "currency": "JPY",
         "amount_minor": 2**62, "merchant_id": "m-9"},
    ]  # fmt: skip


def _fraud_disputes() -> Rows:
    """Disputes of which the network takes earlier sales as evidence, at each stage, and some ended."""
    fraud = {"dispute_date": DAY, "reason_code": "10.4", "reason_category": "fraud"}
    by_stage: Callable[[int], Mapping[str, Any]] = lambda number: {  # noqa: E731 - reads as a table
        "transaction_id": f"v-{number % 3}",
        "case_number": f"v-{number}",
    }
    return [
        {**fraud, **by_stage(0)},
        {**fraud, **by_stage(0), "stage": "representment", "activity_date": NOON, "reply_by_date": DAY},
        {**fraud, **by_stage(1), "status": "won", "resolution_date": DAY, "merchant_id": "m-9"},
        {**fraud, **by_stage(2), "stage": "won"},
        {**fraud, **by_stage(2), "stage": "pre_arbitration", "clock": "published", "response_days": 30,
         "response_days_source": "published", "clock_from": DAY, "reply_by_on": DAY},
        {**fraud, **by_stage(3), "dispute_currency": "EUR"},
        {**fraud, "transaction_id": None, "case_number": "v-none", "arn": "74"},
        {**fraud, **by_stage(1), "network": "mastercard", "arn": "75", "case_number": "mc-1"},
    ]  # fmt: skip


def _reports() -> Rows:
    return [
        {"report_id": f"f-{number}", "transaction_id": f"v-{number}", "merchant_id": "m-9"}
        for number in range(3)
    ] + [
        {"report_id": "f-1", "transaction_id": "v-1", "status": "withdrawn"},
        {"report_id": "f-9", "transaction_id": None, "arn": "75", "network": "mastercard"},
    ]
