"""Figures of a daily report in which every part has something, and of one in which nothing happened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.fraud.figures import ListedRing, RingFigures
from cardops.services.fraud.picture import DrawnRing, draw_ring
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.open_alarms import NOT_CONFIRMED, STILL_TRUE, OpenAlarm
from cardops.services.reports.operations import (
    Operations,
    QuarantinedRows,
    StoppedFile,
    WaitingRows,
)
from cardops.services.reports.page import render_page
from cardops.services.reports.parts import Charts

DAY: Final = date(2026, 11, 20)
MADE_AT: Final = datetime(2026, 11, 21, 1, 2, tzinfo=UTC)
NOTHING: Final = Operations(0, 0, (), (), (), ())
_BAND: Final = {"before": 90, "low": 80, "median": 100, "high": 120}
Row = Mapping[str, object]


def _compared(figure: str, now: int, scale: int = 1, days: int = 28) -> dict[str, Any]:
    band = {name: value * scale for name, value in _BAND.items()}
    band["low"], band["high"] = sorted((band["low"], band["high"]))
    return {
        figure: now,
        **{f"{name}_{figure}": value for name, value in band.items()},
        "band_days": days,
    }


def _money(line: str, place: int, minor: int, currency: str, scale: int) -> dict[str, Any]:
    return {
        "program": "default", "currency": currency, "line": line, "place": place,
        "is_posted": place < 8, "entry_count": 12, **_compared("minor", minor, scale),
    }  # fmt: skip


def _by_day(name: str, *, low: int) -> list[Row]:
    """Twenty-nine dates in three currencies, whose amounts are far apart."""
    days = [DAY - timedelta(days=back) for back in range(28, -1, -1)]
    found = list[Row]()
    for currency, scale in (("USD", 1_000_00), ("JPY", 2_000), ("KWD", 700_000)):
        for place, day in enumerate(days):
            amount = (low + place * 7 % 11) * scale
            amounts = {
                "money_by_day": {"in_minor": amount, "out_minor": amount * 3 // 4},
                "balance_history": {"ledger_minor": amount * 40},
            }
            found.append({"currency": currency, "business_date": day, **amounts[name]})
    return found


def _dispute(case: str, days_left: int, **values: object) -> dict[str, object]:
    return {
        "program": "default", "network": "visa", "case_number": case, "stage": "chargeback",
        "reply_by_on": DAY + timedelta(days=days_left), "clock": "feed", "owner": None,
        "currency": "USD", "minor": 12_345, "days_left": days_left, "age_days": 9, "found": 1,
        **values,
    }  # fmt: skip


def _chargeback_rate(method: str, currency: str, settled: int, disputed: int) -> dict[str, Any]:
    rate = Decimal(disputed) / settled if settled else None
    return {
        "program": "default", "payment_method": method, "currency": currency,
        "settled_transaction_count": settled, "disputed_transaction_count": disputed,
        "rate": rate and round(rate, 6), "dispute_value_minor": Decimal(disputed * 1_000),
        "transaction_volume_minor": Decimal(settled * 2_000), "value_rate": rate and round(rate / 2, 6),
        "other_currency_dispute_count": 1, "lower_rate": rate and round(rate / 2, 6),
        "upper_rate": rate and round(rate * 2, 6),
    }  # fmt: skip


def _monitored(
    merchant: str,
    programme: str,
    cases: int,
    sales: int,
    *,
    line: tuple[int, int] = (150, 1_501),
    **values: object,
) -> dict[str, object]:
    ratio_bps, line_cases = line
    needed = max(line_cases, -(-sales * ratio_bps // 10_000)) if sales else None
    return {
        "program": "default", "merchant_id": merchant, "programme": programme,
        "subject": "merchant", "month": "2026-11", "case_count": cases, "sales_count": sales,
        "line_tier": "excessive", "line_ratio_bps": ratio_bps, "line_case_count": line_cases,
        "tier_reached": None, "cases_to_line": needed and needed - cases, "needed_count": needed,
        "forecast_basis": "linear_by_days", "forecast_case_count": cases * 3 // 2,
        "forecast_sales_count": sales * 3 // 2, "forecast_tier": None, "alarm_level": None,
        "missing_inputs": None, "is_lower_bound": False, "is_in_programme": False,
        "months_below_count": None, "exit_month_count": 3, "found": 1_040, **values,
    }  # fmt: skip


ROWS: Final[Mapping[str, Sequence[Row]]] = {
    "decisions": [
        {"program": "<b>&", "currency": "USD", "status": "PERMIT",
         "minor": 123_456_789_012_345_678, **_compared("decision_count", 1200, 10)},
        {"program": "<b>&", "currency": "USD", "status": "REJECT", "minor": 70_000,
         **_compared("decision_count", 300)},
    ],
    "decisions_by_hour": [
        {"hour": hour, "permits": 20 + hour * 5, "rejects": 4 + hour} for hour in range(24)
    ],
    "reject_reasons": [
        {"program": "<b>&", "currency": "USD", "reason_code": code, "reject_count": count,
         "minor": 100 * count}
        for code, count in (("insufficient_credit", 270), ("velocity_limit", 30))
    ],
    "money": [
        _money("Deposits", 1, 1_234_567, "USD", 10_000),
        _money("Captures", 4, -1_234_567, "USD", -10_000),
        _money("Refunds", 5, 4_200, "USD", 40),
        _money("Reversals (holds released)", 9, -88_000, "USD", -900),
        _money("Deposits", 1, 4_567, "JPY", 50),
        _money("Captures", 4, -1_500_250, "KWD", -13_000),
    ],
    "money_by_day": _by_day("money_by_day", low=5),
    "balances": [
        {"program": "default", "currency": "JPY", "accounts": 3, "available_minor": -5,
         "held_minor": 7, "ledger_minor": 2, "below_zero": 1, "below_zero_minor": -5},
        {"program": "default", "currency": "USD", "accounts": 1_204, "available_minor": 9_000_000,
         "held_minor": 88_000, "ledger_minor": 9_088_000, "below_zero": 0, "below_zero_minor": 0},
    ],
    "balance_history": _by_day("balance_history", low=9),
    "failure_rates": [
        {"program": "default", "payment_method": "credit_card", "attempt_count": 1000,
         "failed_count": 125, "rate": Decimal("0.125")},
        {"program": "default", "payment_method": "wallet", "attempt_count": 80,
         "failed_count": 2, "rate": Decimal("0.025")},
    ],
    "failure_days": [
        {"program": "default", "payment_method": "credit_card", "attempt_count": 400,
         "failed_count": 5, **_compared("rate_bp", 125)},
    ],
    "failure_codes": [{"program": "default", "error_code": "insufficient_funds", "failed_count": 5}],
    "chargeback_rates": [
        _chargeback_rate("credit_card", "USD", 875, 14), _chargeback_rate("wallet", "KWD", 900, 9),
        _chargeback_rate("unknown", "JPY", 0, 0),
    ],
    "monitoring": [
        _monitored("m-reached", "mastercard_ecm", 320, 12_000, tier_reached="ecm",
                   alarm_level="reached", line=(150, 100), line_tier="ecm", is_in_programme=True,
                   months_below_count=0),
        _monitored("a-merchant-with-a-long-name-of-its-acquirer", "visa_vamp", 1_200, 80_000,
                   alarm_level="forecast", missing_inputs="fraud_reports,region",
                   forecast_tier="excessive", is_lower_bound=True),
        _monitored("*", "visa_vamp_acquirer", 900, 400_000, subject="acquirer", line=(50, 1),
                   line_tier="above_standard"),
        _monitored("m-new", "visa_vamp", 3, 0, missing_inputs="sales"),
    ],
    "monitoring_levels": [
        {"program": "default", "programme": programme, "alarm_level": level, "merchants": count}
        for programme, level, count in (
            ("mastercard_ecm", "reached", 1), ("visa_vamp", "forecast", 2),
        )
    ],
    "monitoring_gaps": [
        {"program": "default", "programme": "visa_vamp", "month": "2026-11", "missing": missing,
         "merchants": 40}
        for missing in ("fraud_reports", "region", "networks_of_sales")
    ],
    "disputes": [
        {"network": "visa", "currency": "USD", "disputes": 5, "disputes_of_the_day": 2, "open": 3,
         "won": 1, "lost": 1, "minor": 1000},
    ],
    "queue": [
        {"stage": stage, "due_band": band, "currency": currency, "disputes": count,
         "minor": 10_000 * count}
        for stage, band, currency, count in (
            ("chargeback", "overdue", "USD", 2), ("chargeback", "0 to 1", "USD", 1),
            ("pre_arbitration", "2 to 3", "USD", 3), ("inquiry", "8 to 30", "JPY", 4),
            ("chargeback", "8 to 30", "USD", 6), ("arbitration", "nobody says", "USD", 1),
        )
    ],
    "deadlines": [
        _dispute("c-1", 1, found=2),
        _dispute("case-with-a-very-long-number-of-the-network-1", 2, found=2),
    ],
    "overdue": [_dispute("c-2", -2, owner="bea", network="amex", found=1_234)],
    "waiting": [
        {"program": "default", "network": "visa", "reason": "file_dead", "row_count": 1_001,
         "dispute_count": 1_000, "currency": "JPY", "minor": 4_321,
         "waiting_since": "2026-11-19 08:00", "reply_by_on": None},
    ],
    "provisional": [
        {"program": "default", "network": "visa", "case_number": "c-7", "user_id": "ana",
         "state": "standing", "waiting_reason": "amount_lowered",
         "clock_ends_on": date(2026, 12, 7), "days_left": 17, "notice": "credit",
         "notice_due_on": date(2026, 11, 20), "missed_clock": "", "currency": "USD",
         "minor": 40_00, "found": 2_001},
    ],
    "provisional_totals": [{"currency": "USD", "cases": 2_001, "minor": 8_004_000}],
    "batch_files": [
        {"batch_id": "default-2026-11-20-1", "network": "visa", "file_name": "CB.csv",
         "totals": "1,001.00 USD", "state": "delivered", "sha256": "0123456789ab",
         "verified": "yes", "acknowledged": "2 accepted, 0 rejected", "waiting": None,
         "sequence": 7, "row_count": 2},
    ],
    "acknowledgements": [
        {"destination": "amex", "network": "amex",
         "file_name": "CB_amex_default_2026-11-19_000006_v2.csv", "verdict": "missing",
         "reason_code": None, "row_count": 7, "is_late": True, "delivered_at": "2026-11-19 09:00",
         "read_at": None},
        {"destination": "visa", "network": "visa",
         "file_name": "CB_visa_default_2026-11-20_000007_v2.csv", "verdict": "accepted",
         "reason_code": None, "row_count": 2, "is_late": False, "delivered_at": "2026-11-20 09:00",
         "read_at": "2026-11-20 09:30"},
    ],
    "breaks": [
        {"check_name": "balances_equal_postings", "program": "default", "user_id": "ana",
         "subject": None, "currency": "USD", "unit": "minor", "side_a": "balances",
         "amount_a_minor": 701, "side_b": "postings", "amount_b_minor": 700,
         "difference_minor": 1, "found": 1},
    ],
    "break_totals": [{"currency": "USD", "unit": "minor", "breaks": 1, "difference_minor": 1}],
    "safeguarding": [
        {"program": "default", "account_id": "DE-1", "check_name": "bank_covers_what_is_owed",
         "currency": "USD", "bank_minor": 9_000_000, "owed_minor": 9_088_000,
         "difference_minor": -88_000, "is_break": True},
    ],
    "matches": [
        {"program": "default", "settled": 4, "awaited": 3, "held": 2, "outside_log": 1,
         "as_of": DAY},
    ],
    "match_breaks": [
        {"program": "default", "kind": "settled_late", "age_band": "8 to 30", "breaks": 2,
         "oldest_days": 12},
    ],
    "failed_tests": [{"test": "assert_movements_add_up_to_latest_balances"}],
    "failed_parts": [
        {"part": "fct_three_way_match", "reason": "Binder Error", "frames": "matches", "is_missing": True},
        {"part": "fct_match_breaks", "reason": "", "frames": "match_breaks", "is_missing": False},
    ],
    "freshness": [
        {"what": "Disputes", "newest_day": None},
        {"what": "Closing balances", "newest_day": DAY - timedelta(days=1)},
    ],
    "state_dates": [
        {"subject": "disputes", "as_of": DAY}, {"subject": "payments", "as_of": DAY},
        {"subject": "matches", "as_of": DAY - timedelta(days=5)},
        {"subject": "provisional", "as_of": DAY}, {"subject": "monitoring", "as_of": DAY},
    ],
}  # fmt: skip
OPERATIONS: Final = Operations(
    read_rows=8_000,
    quarantined_rows=413,
    quarantined=(
        QuarantinedRows("transactions", "default", "invalid_amount", 400, 2),
        QuarantinedRows("deposits", "default", "unknown_currency", 20, 1),
    ),
    stopped=(
        StoppedFile(
            "refused", "deposits", "default", "incoming/deposits/empty.csv", "2026-11-20",
            "The file is empty; nothing of it was credited.", {},
        ),
        StoppedFile(
            "held", "deposits", "default", "incoming/deposits/payday.csv", "2026-11-20 08:00",
            "Its deposits are above the program's cap.", {"USD": 5_000_000, "JPY": 120},
        ),
    ),
    waiting=(WaitingRows("chargebacks", "default", 12, 3, datetime(2026, 11, 2, tzinfo=UTC)),),
    undelivered=(
        ChargebackFileRecord(
            batch_id="default-2026-11-19-1", network="amex", program="default",
            destination="amex", sequence=6, file_name="CB_amex.csv", row_count=7,
            totals_minor={"USD": 70_000}, content_sha256="0" * 64, control_sha256="0" * 64,
            state=DeliveryState.DELIVERED_UNCONFIRMED,
        ),
    ),
)  # fmt: skip


def _ring(position: int, **values: object) -> ListedRing:
    known = ListedRing(
        position=position, ring_id=f"ring-{position:06}", program="default", member_count=5,
        identifier_counts={"device": 2, "card_token": 1, "email": 0, "ip_address": 0},
        transaction_count=12, dispute_count=4, disputing_member_count=3, cycle_count=1,
        disputed_minor={"USD": 48_000, "JPY": 900}, known_since=DAY, is_oversized=False,
        is_new=position == 1, merged_from="", split_from="",
    )  # fmt: skip
    return replace(known, **values)  # type: ignore[arg-type] # a test names the fields


def _drawing(ring: ListedRing) -> DrawnRing:
    users = {f"user-{number}": number % 2 == 0 for number in range(ring.member_count)}
    held = {("device", "d-1"): set(users), ("card_token", "t-1"): {"user-0", "user-1"}}
    return draw_ring(ring.ring_id, users, held, f"{ring.ring_id}: 5 users share 2 devices.")


_LISTED: Final = (_ring(1), _ring(2, merged_from="ring-000007", is_new=False))
RINGS: Final = RingFigures(
    as_of_on=DAY, ring_count=14, member_count=70, new_ring_count=1, ended_ring_count=0,
    oversized_ring_count=0, hub_count=2, dispute_count=40, rings_with_cycles=3,
    disputed_minor={"USD": 96_000, "JPY": 1_800}, rings=_LISTED,
    drawings=tuple(map(_drawing, _LISTED)),
)  # fmt: skip


ALARMS: Final = (
    OpenAlarm("Dispute c-9 (visa, chargeback) is to be answered by 2026-11-22: due_in_3",
              NOT_CONFIRMED, "default", "dispute-deadlines.md"),
    OpenAlarm("amex is paused since 2026-11-20 08:00 UTC after 4 failures in a row", STILL_TRUE, "",
              "chargeback-delivery.md"),
)  # fmt: skip


def a_frame(name: str, rows: Sequence[Row]) -> pd.DataFrame:
    """The frame as the marts give it: Arrow's types, also without rows."""
    schema = pa.Table.from_pylist(list(ROWS[name])).schema
    table = pa.Table.from_pylist(list(rows), schema=schema)
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def figures(
    operations: Operations = OPERATIONS,
    rings_found: RingFigures | None = RINGS,
    alarms: Sequence[OpenAlarm] = ALARMS,
    **rows: Sequence[Row],
) -> ReportFigures:
    """Those of ROWS, but for the parts that a test names."""
    frames = {name: a_frame(name, rows.get(name, found)) for name, found in ROWS.items()}
    return ReportFigures(DAY, operations, rings_found, alarms, **frames)


def quiet_figures() -> ReportFigures:
    """A closed day on which nothing needs a person."""
    balances = [{**ROWS["balances"][1]}]
    return figures(NOTHING, None, (), **{**{name: [] for name in ROWS}, "balances": balances})


def page(report: ReportFigures, charts: Charts | None = None) -> str:
    """The page of these figures; without charts where a test needs none, which is quicker."""
    return render_page(report, charts or {}, MADE_AT)
