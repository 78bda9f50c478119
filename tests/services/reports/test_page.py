"""The daily report's page: exact amounts, escaped texts, a verdict that fits the figures."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

from cardops.services.reports.charts import draw_charts
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.page import render_page

DAY = date(2026, 11, 20)
MADE_AT = datetime(2026, 11, 21, 1, 2, tzinfo=UTC)
ROWS: Mapping[str, Mapping[str, object]] = {
    "decisions": {
        "program": "<b>&", "currency": "USD", "status": "PERMIT", "count": 1200,
        "minor": 123_456_789_012_345_678,
    },
    "decisions_by_hour": {"hour": 5, "permits": 1200, "rejects": 0},
    "reject_reasons": {"reason_code": "insufficient_credit", "count": 3},
    "movements": {
        "program": "default", "currency": "USD", "kind": "capture", "entry_count": 12,
        "posted_minor": -1_234_567, "held_change_minor": None,
    },
    "balances": {
        "program": "default", "currency": "JPY", "accounts": 3, "available_minor": -5,
        "held_minor": 7, "ledger_minor": 2, "below_zero": 1,
    },
    "balance_history": {"currency": "USD", "business_date": DAY, "ledger_minor": 2},
    "failure_rates": {
        "program": "default", "payment_method": "card", "attempt_count": 1000,
        "failed_count": 125, "rate": Decimal("0.125"),
    },
    "chargeback_rates": {
        "program": "default", "payment_method": "card", "currency": "USD",
        "settled_transaction_count": 0, "disputed_transaction_count": 0, "rate": None,
        "value_rate": None,
    },
    "disputes": {
        "network": "visa", "currency": "USD", "disputes": 5, "disputes_of_the_day": 2, "open": 3,
        "won": 1, "lost": 1, "minor": 1000,
    },
    "queue": {
        "stage": "chargeback", "due_band": "2 to 3", "currency": "USD", "disputes": 3, "minor": 100,
    },
    "deadlines": {
        "program": "default", "network": "visa", "case_number": "c-1", "stage": "chargeback",
        "reply_by_on": date(2026, 11, 22), "clock": "feed", "owner": None, "currency": "USD",
        "minor": 100, "days_left": 2, "age_days": 9, "found": 1,
    },
    "overdue": {
        "program": "default", "network": "amex", "case_number": "c-2", "stage": "chargeback",
        "reply_by_on": date(2026, 11, 18), "clock": "published", "owner": "bea",
        "currency": "USD", "minor": 100, "days_left": -2, "age_days": 30, "found": 1_234,
    },
    "waiting": {
        "program": "default", "network": "visa", "reason": "failed_payment", "row_count": 1_001,
        "dispute_count": 1_000, "currency": "JPY", "minor": 4_321, "waiting_since": "2026-11-19 08:00",
        "reply_by_on": None,
    },
    "provisional": {
        "program": "default", "network": "visa", "case_number": "c-7", "user_id": "ana",
        "state": "standing", "waiting_reason": "amount_lowered", "clock_ends_on": date(2026, 12, 7),
        "days_left": 17, "notice": "credit", "notice_due_on": date(2026, 11, 20),
        "missed_clock": "", "currency": "USD", "minor": 40_00, "found": 2_001,
    },
    "batch_files": {
        "batch_id": "default-2026-11-20-1", "network": "visa", "file_name": "CB.csv",
        "totals": "1.00 USD", "state": "delivered", "sha256": "0123456789ab", "verified": "yes", "acknowledged": "2 accepted, 0 rejected", "waiting": None,
        "sequence": 7, "row_count": 2,
    },
    "breaks": {
        "program": "default", "user_id": None, "currency": "USD", "side_a": "balances",
        "amount_a_minor": 1, "side_b": "postings", "amount_b_minor": 0, "difference_minor": 1,
    },
    "matches": {
        "program": "default", "settled": 4, "awaited": 3, "held": 2, "outside_log": 1,
        "as_of": DAY,
    },
    "match_breaks": {
        "program": "default", "kind": "settled_late", "age_band": "8 to 30", "breaks": 2,
        "oldest_days": 12,
    },
    "freshness": {"what": "Disputes", "newest_day": None},
}  # fmt: skip


def a_frame(name: str, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """The frame as the marts give it: Arrow's types, also without rows."""
    schema = pa.Table.from_pylist([ROWS[name]]).schema
    return pa.Table.from_pylist(rows, schema=schema).to_pandas(types_mapper=pd.ArrowDtype)


def figures(**rows: Sequence[Mapping[str, object]]) -> ReportFigures:
    frames = {name: a_frame(name, rows.get(name, [row])) for name, row in ROWS.items()}
    return ReportFigures(DAY, **frames)


def page(report: ReportFigures) -> str:
    return render_page(report, draw_charts(report), MADE_AT)


@pytest.mark.parametrize(
    "text",
    [
        "1,234,567,890,123,456.78",  # not representable as a float
        "-12,345.67",
        "12.50 %",
        "<td>&lt;b&gt;&amp;</td>",
        '<td class="number">-5</td>',  # yen have no decimals
        "nothing yet",
        "1,233 more, all further away: cardops disputes list shows them.",
        "0123456789ab",
        "<td>failed_payment</td>",
        "2,000 more, all further away: cardops provisional list shows them.",
        "<td>amount_lowered</td>",
        '<td class="number">4,321</td>',
        "made 2026-11-21 01:02 UTC",
        "1 break(s): the books do not close.",
    ],
)
def test_page_shows_exact_amounts_and_escaped_texts(text: str) -> None:
    assert text in page(figures())


def test_missing_values_are_empty_cells() -> None:
    shown = page(figures())

    assert "None" not in shown.replace("None.", "")
    assert "&lt;NA&gt;" not in shown
    assert "nan" not in shown.partition("<body>")[2].replace("data:", "")


def test_page_without_breaks_says_that_the_books_close() -> None:
    shown = page(figures(breaks=[]))

    assert 'class="verdict good"' in shown
    assert "0 breaks" in shown


def test_page_of_an_unclosed_day_says_so() -> None:
    shown = page(figures(balances=[], breaks=[]))

    assert 'class="verdict open"' in shown


def test_page_without_figures_has_no_charts() -> None:
    nothing = figures(**{name: [] for name in ROWS})

    assert draw_charts(nothing) == {}
    assert "<img" not in page(nothing)
    assert page(nothing).count("None.") == len(ROWS) - 3  # three frames are charts alone


def test_page_needs_no_network_and_no_script() -> None:
    shown = page(figures())

    assert "<script" not in shown
    assert "http" not in shown
