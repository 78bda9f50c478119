"""The daily report as one HTML page that needs nothing beside itself: no network, no script.

Belongs here: the page's words, tables and order. Amounts become decimals here, once. How it looks
is in page.html.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from cardops.rules.currencies import EXPONENTS
from cardops.services.reports.amounts import money
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.templates import environment

if TYPE_CHECKING:
    import pandas as pd

TEMPLATE: Final = "page.html"
# Column of the frame -> its heading.
Headings = Mapping[str, str]

_DECISIONS: Final[Headings] = {
    "program": "Program", "status": "Status", "count": "Decisions", "minor": "Amount",
    "currency": "",
}  # fmt: skip
_MOVEMENTS: Final[Headings] = {
    "program": "Program", "kind": "Kind", "entry_count": "Entries", "posted_minor": "Posted",
    "held_change_minor": "Held", "currency": "",
}  # fmt: skip
_BALANCES: Final[Headings] = {
    "program": "Program", "accounts": "Accounts", "available_minor": "Available",
    "held_minor": "Held", "ledger_minor": "Ledger", "currency": "", "below_zero": "Below zero",
}  # fmt: skip
_FAILURES: Final[Headings] = {
    "program": "Program", "payment_method": "Payment method", "attempt_count": "Attempts",
    "failed_count": "Failed", "rate": "Failure rate",
}  # fmt: skip
_CHARGEBACKS: Final[Headings] = {
    "program": "Program", "payment_method": "Payment method", "currency": "Currency",
    "settled_transaction_count": "Settled", "disputed_transaction_count": "Disputed",
    "rate": "By count", "value_rate": "By value",
}  # fmt: skip
_DISPUTES: Final[Headings] = {
    "network": "Network", "disputes": "Disputes", "disputes_of_the_day": "Of the day",
    "open": "Open", "won": "Won", "lost": "Lost", "minor": "Disputed", "currency": "",
}  # fmt: skip
_QUEUE: Final[Headings] = {
    "due_band": "Days left", "stage": "Stage", "disputes": "Disputes", "minor": "Disputed",
    "currency": "",
}  # fmt: skip
_DEADLINES: Final[Headings] = {
    "days_left": "Days left", "reply_by_on": "Reply by", "clock": "Says who",
    "case_number": "Case", "network": "Network", "stage": "Stage", "minor": "Disputed",
    "currency": "", "age_days": "Age", "owner": "Owner", "program": "Program",
}  # fmt: skip
_WAITING: Final[Headings] = {
    "reason": "Reason", "waiting_since": "Since (UTC)", "network": "Network", "row_count": "Rows",
    "dispute_count": "Disputes", "minor": "Disputed", "currency": "", "reply_by_on": "Reply by",
    "program": "Program",
}  # fmt: skip
_PROVISIONAL: Final[Headings] = {
    "days_left": "Days left", "clock_ends_on": "Clock ends", "missed_clock": "Missed",
    "waiting_reason": "Waits for a person", "notice": "Notice", "notice_due_on": "By",
    "state": "Credit", "case_number": "Case", "network": "Network", "user_id": "User",
    "minor": "Amount", "currency": "", "program": "Program",
}  # fmt: skip
_BATCH_FILES: Final[Headings] = {
    "batch_id": "Batch", "network": "Network", "state": "State", "sequence": "Sequence",
    "row_count": "Rows", "totals": "Control totals", "sha256": "Hash", "verified": "Verified there",
    "acknowledged": "Acknowledged", "waiting": "Rows that wait",
}  # fmt: skip
_BREAKS: Final[Headings] = {
    "check_name": "Check", "program": "Program", "user_id": "User", "subject": "Of",
    "side_a": "One source", "amount_a_minor": "says",
    "side_b": "The other", "amount_b_minor": "says", "difference_minor": "Difference",
    "currency": "",
}  # fmt: skip
_MATCHES: Final[Headings] = {
    "program": "Program", "settled": "Settled", "awaited": "Settlement awaited", "held": "Held",
    "outside_log": "Settled outside the log", "as_of": "As of",
}  # fmt: skip
_MATCH_BREAKS: Final[Headings] = {
    "program": "Program", "kind": "Break", "age_band": "Age in days", "breaks": "Transactions",
    "oldest_days": "Oldest, days",
}  # fmt: skip
_FRESHNESS: Final[Headings] = {"what": "What", "newest_day": "Newest business date", "state": ""}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top of the page."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell's text; numbers are set flush right."""

    text: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One table with its charts beside it."""

    anchor: str
    title: str
    charts: Sequence[str]
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


def render_page(figures: ReportFigures, charts: Mapping[str, str], made_at: datetime) -> str:
    """The whole page."""
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            figures=figures,
            made_at=made_at.strftime("%Y-%m-%d %H:%M UTC"),
            tiles=_tiles(figures),
            sections=_sections(figures, charts),
        )
    )


def _tiles(figures: ReportFigures) -> list[Tile]:
    attempts = int(figures.failure_rates["attempt_count"].sum())
    failed = int(figures.failure_rates["failed_count"].sum())
    permits, decisions = figures.permit_count, figures.decision_count
    ledger = dict[str, int]()
    for currency, amount in zip(
        figures.balances["currency"], figures.balances["ledger_minor"], strict=True
    ):
        ledger[currency] = ledger.get(currency, 0) + int(amount)
    return [
        Tile("Decisions", f"{decisions:,}", f"{permits:,} permitted"),
        Tile("Permitted", _percent(permits, decisions), "of all decisions"),
        *[
            Tile("Ledger balance", money(amount_minor, currency), currency)
            for currency, amount_minor in ledger.items()
        ],
        Tile("Payments failed", _percent(failed, attempts), f"of {attempts:,} attempts"),
        Tile(
            "Open disputes",
            f"{figures.disputes['open'].sum():,}",
            f"of {figures.disputes['disputes'].sum():,}",
        ),
    ]


def _sections(figures: ReportFigures, charts: Mapping[str, str]) -> list[Section]:
    parts: Sequence[tuple[str, str, Sequence[str], pd.DataFrame, Headings]] = (
        ("decisions", "Decisions of the day", ("decisions_by_hour", "reject_reasons"),
         figures.decisions, _DECISIONS),
        ("movements", "Movements of the day", (), figures.movements, _MOVEMENTS),
        ("balances", "Closing balances", ("balance_history",), figures.balances, _BALANCES),
        ("failures", "Payment failure rate per payment method", ("failure_rates",),
         figures.failure_rates, _FAILURES),
        ("chargebacks", "Chargeback rate per payment method", ("chargeback_rates",),
         figures.chargeback_rates, _CHARGEBACKS),
        ("disputes", "Disputes by network", ("disputes",), figures.disputes, _DISPUTES),
        ("queue", "Disputes to answer by stage and days left", ("queue",), figures.queue, _QUEUE),
        ("deadlines", "Open disputes to answer within seven days", (), figures.deadlines,
         _DEADLINES),
        ("overdue", "Open disputes whose reply-by date has passed", (), figures.overdue,
         _DEADLINES),
        ("waiting", "Accepted disputes that were in no chargeback file at the close", (),
         figures.waiting, _WAITING),
        ("provisional", "Disputed money that needs a person or a notice today", (),
         figures.provisional, _PROVISIONAL),
        ("batch-files",
         "Chargeback files of the day, and earlier ones not delivered or with rows that wait", (),
         figures.batch_files, _BATCH_FILES),
        ("breaks", "Breaks", (), figures.breaks, _BREAKS),
        ("matches", "Authorizations and their settlements", (), figures.matches, _MATCHES),
        ("match-breaks", "Authorizations, settlements and disputes that do not match", (),
         figures.match_breaks, _MATCH_BREAKS),
        ("freshness", "Freshness", (), _with_lag(figures), _FRESHNESS),
    )  # fmt: skip
    return [
        _section(anchor, title, [charts[name] for name in names if name in charts], frame, headings)
        for anchor, title, names, frame, headings in parts
    ]


def _section(
    anchor: str, title: str, charts: Sequence[str], frame: "pd.DataFrame", headings: Headings
) -> Section:
    records: list[dict[str, Any]] = frame.to_dict("records")
    headings = {name: text for name, text in headings.items() if not records or name in records[0]}
    numeric = {name for name in headings if records and _is_number(name, records[0][name])}
    head = [Cell(heading, name in numeric) for name, heading in headings.items()]
    rows = [[Cell(_text(record, name), name in numeric) for name in headings] for record in records]
    more = records[0].get("found", len(records)) - len(records) if records else 0
    command = "provisional" if anchor == "provisional" else "disputes"
    notes = [f"{more:,} more, all further away: cardops {command} list shows them."] if more else []
    if "case_number" in headings and records:
        notes.append("One of them on a page of its own: cardops disputes show CASE --html FILE.")
    note = " ".join(notes)
    return Section(anchor, title, charts, head, rows, note)


def _text(record: Mapping[str, Any], name: str) -> str:
    """A cell: decimals for amounts, percent for rates, thousands apart."""
    value = record[name]
    if value is None:
        return ""
    is_amount = name == "minor" or name.endswith("_minor")
    if is_amount:
        # A sum is a decimal: it may pass i64.
        value = int(value)
        if record["currency"] in EXPONENTS:
            return money(value, record["currency"])
    if isinstance(value, Decimal):
        return f"{value * 100:.2f} %"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(name: str, value: object) -> bool:
    return isinstance(value, int | Decimal) or name == "rate"


def _percent(part: int, whole: int) -> str:
    return f"{Decimal(part) * 100 / whole:.1f} %" if whole else "n/a"


def _with_lag(figures: ReportFigures) -> "pd.DataFrame":
    """How many days each part lags behind the report's day."""
    records = figures.freshness.to_dict("records")
    lags = [_lag(record["newest_day"], figures.business_date) for record in records]
    return figures.freshness.assign(state=lags)


def _lag(newest: date | None, business_date: date) -> str:
    if newest is None:
        return "nothing yet"
    days = (business_date - newest).days
    return "up to date" if days <= 0 else f"{days} day(s) behind"
