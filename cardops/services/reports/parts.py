"""The parts of the daily report below what needs a person: their tables, words and order.

Belongs here: which figures stand together, and of when they are. Each part says so itself, because
some figures are of the report's date and others only of now.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from cardops.services.reports.amounts import (
    each_priced,
    percent,
    priced,
    share,
    share_of_money,
)
from cardops.services.reports.charts import Chart
from cardops.services.reports.failed_parts import failed_rows
from cardops.services.reports.figures import ReportFigures, found_in, records_of
from cardops.services.reports.monitoring_tables import monitoring_as_of, monitoring_tables
from cardops.services.reports.ring_tables import rings_as_of, rings_table
from cardops.services.reports.tables import Headings, Table, compared, table_of

# Alarms that the page lists; it counts all.
MAX_ALARMS: Final = 50
Charts = Mapping[str, Sequence[Chart]]
_BAND: Final[Headings] = {
    "before": "Day before", "change": "Change", "band_days": "Dates in band", "median": "Median",
    "band": "Middle half", "place": "Against it",
}  # fmt: skip
_MONEY: Final[Headings] = {
    "line": "What", "program": "Program", "entry_count": "Entries", "minor": "Amount", **_BAND,
}  # fmt: skip
_DECISIONS: Final[Headings] = {
    "status": "Decision", "program": "Program", "currency": "Currency",
    "decision_count": "Decisions", "share": "Share", "minor": "Asked for", **_BAND,
}  # fmt: skip
_REASONS: Final[Headings] = {
    "reason_code": "Reason", "program": "Program", "reject_count": "Rejects",
    "share": "Share of its rejects", "minor": "Asked for",
}  # fmt: skip
_BALANCES: Final[Headings] = {
    "currency": "Currency", "program": "Program", "accounts": "Accounts",
    "available_minor": "Available", "held_minor": "Held", "ledger_minor": "Ledger",
    "below_zero": "Accounts below zero", "below_zero_minor": "Their sum",
}  # fmt: skip
_FAILURES: Final[Headings] = {
    "payment_method": "Payment method", "program": "Program", "share": "Rate",
}  # fmt: skip
_FAILURE_DAYS: Final[Headings] = {
    "payment_method": "Payment method", "program": "Program", "share": "Rate of the day", **_BAND,
}  # fmt: skip
_FAILURE_CODES: Final[Headings] = {
    "error_code": "Error code", "program": "Program", "failed_count": "Failed",
}  # fmt: skip
_CHARGEBACKS: Final[Headings] = {
    "payment_method": "Payment method", "program": "Program", "currency": "Currency",
    "share": "Rate by count", "interval": "95 % interval", "value_share": "Rate by value",
    "other_currency_dispute_count": "In another currency",
}  # fmt: skip
_DISPUTES: Final[Headings] = {
    "network": "Network", "disputes": "Disputes", "disputes_of_the_day": "Of the day",
    "open": "Open", "won": "Won", "lost": "Lost", "minor": "Disputed",
}  # fmt: skip
_QUEUE: Final[Headings] = {
    "due_band": "Days left", "stage": "Stage", "disputes": "Disputes", "minor": "Disputed",
}  # fmt: skip
_DEADLINES: Final[Headings] = {
    "case_number": "Case", "days_left": "Days left", "reply_by_on": "Reply by",
    "clock": "Says who", "network": "Network", "stage": "Stage", "minor": "Disputed",
    "age_days": "Age in days", "owner": "Owner", "program": "Program",
}  # fmt: skip
_WAITING: Final[Headings] = {
    "reason": "Reason", "waiting_since": "Since (UTC)", "network": "Network", "row_count": "Rows",
    "dispute_count": "Disputes", "minor": "Disputed", "reply_by_on": "Reply by",
    "program": "Program",
}  # fmt: skip
_PROVISIONAL: Final[Headings] = {
    "case_number": "Case", "days_left": "Days left", "clock_ends_on": "Clock ends",
    "missed_clock": "Missed", "waiting_reason": "Waits for a person", "notice": "Notice",
    "notice_due_on": "Notice by", "state": "Credit", "network": "Network", "user_id": "User",
    "minor": "Amount", "program": "Program",
}  # fmt: skip
_BATCH_FILES: Final[Headings] = {
    "batch_id": "Batch", "network": "Network", "state": "State", "sequence": "Sequence",
    "row_count": "Rows", "totals": "Control totals", "sha256": "Hash",
    "verified": "Verified there", "acknowledged": "Acknowledged", "waiting": "Rows that wait",
}  # fmt: skip
_ANSWERS: Final[Headings] = {
    "file_name": "File", "destination": "Card company", "verdict": "Verdict",
    "reason_code": "Reason", "row_count": "Rows", "delivered_at": "Delivered (UTC)",
    "read_at": "Acknowledged (UTC)", "is_late": "Late",
}  # fmt: skip
_QUARANTINE: Final[Headings] = {
    "reason": "Reason", "kind": "Kind of file", "program": "Program", "row_count": "Rows",
    "file_count": "In files",
}  # fmt: skip
_STOPPED: Final[Headings] = {
    "name": "File", "state": "State", "kind": "Kind", "program": "Program", "since": "Since",
    "totals": "Amounts", "why": "Why",
}  # fmt: skip
_WAITING_ROWS: Final[Headings] = {
    "kind": "Kind of file", "program": "Program", "row_count": "Rows that wait",
    "overdue_count": "Too long", "oldest": "Oldest since (UTC)",
}  # fmt: skip
_BREAKS: Final[Headings] = {
    "check_name": "Check", "program": "Program", "user_id": "User", "subject": "Of",
    "side_a": "One source", "amount_a_minor": "It says", "side_b": "The other",
    "amount_b_minor": "That says", "difference_minor": "Difference",
}  # fmt: skip
_SAFEGUARDING: Final[Headings] = {
    "account_id": "Account", "check_name": "Check", "program": "Program", "bank_minor": "At the bank",
    "owed_minor": "Owed", "difference_minor": "Difference", "is_break": "Break",
}  # fmt: skip
_FAILED_PARTS: Final[Headings] = {
    "part": "What", "reason": "Why", "shown_in": "Shown in", "figures": "Its figures",
}  # fmt: skip
_MATCHES: Final[Headings] = {
    "program": "Program", "settled": "Settled", "awaited": "Settlement awaited", "held": "Held",
    "outside_log": "Settled outside the log",
}  # fmt: skip
_MATCH_BREAKS: Final[Headings] = {
    "kind": "Break", "program": "Program", "age_band": "Age in days", "breaks": "Transactions",
    "oldest_days": "Oldest, days",
}  # fmt: skip
_ALARMS: Final[Headings] = {
    "about": "Alarm", "state": "State", "program": "Program", "runbook": "Runbook",
}  # fmt: skip
_FRESHNESS: Final[Headings] = {
    "what": "What",
    "newest_day": "Newest business date",
    "state": "State",
}
_BAND_NOTE: Final = (
    "The band is of the dates with books among the 28 before this one, weekdays and weekends alike: "
    "its median, and its middle half from the lower to the upper quartile. A date without such an "
    "entry counts as 0."
)


_CHARGEBACK_NOTE: Final = (
    "Settled payments (completed or refunded) with a dispute that reached the chargeback stage, of all "
    "settled ones; by value only what is disputed in the payment's own currency. The lines of card networks "
    "are for merchants and months: see monitoring programmes."
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page. `as_of`: of when its figures are."""

    anchor: str
    title: str
    as_of: str
    tables: Sequence[Table]
    charts: Charts


def parts_of(figures: ReportFigures, charts: Charts, made_at: datetime) -> list[Part]:
    """All parts, in the order of the page."""
    now = f"As of {made_at:%Y-%m-%d %H:%M} UTC, when this page was made: ledgers know only how things stand now."
    of_day = f"Of the business date {figures.business_date}."
    disputes = _newest(figures, "disputes")
    found = [
        ("in-and-out", "Money in and out", of_day, [_money(figures)]),
        ("permits", "Permits and rejects", of_day, [_decisions(figures), _reasons(figures)]),
        (
            "closing", "Closing balances", of_day,
            [table_of("balances", "Balances at the close", records_of(figures.balances), _BALANCES,
                      nothing="The date was not closed.")],
        ),
        ("rates", "Rates", _newest(figures, "payments"), _rates(figures)),
        ("programmes", "Monitoring programmes", monitoring_as_of(figures),
         monitoring_tables(figures)),
        ("work", "Disputes by stage and days left", disputes, _disputes(figures)),
        ("provisional-credits", "Disputed money", _newest(figures, "provisional"),
         [_provisional(figures)]),
        ("deliveries", "Deliveries and acknowledgements",
         f"{of_day} States of files and what waits: {now[0].lower()}{now[1:]}", _deliveries(figures)),
        ("input", "Input files", f"Files of the business date {figures.business_date}. {now}",
         _input(figures)),
        ("books", "Reconciliation", of_day, _books(figures)),
        ("matching", "Authorizations, settlements and disputes", _newest(figures, "matches"),
         _matching(figures)),
        ("alarms-of-people", "Alarms", now, [_alarms(figures)]),
        ("fraud-rings", "Fraud rings", rings_as_of(figures), [rings_table(figures)]),
        ("freshness-of-data", "Freshness", "Of the marts when this page was made.",
         [table_of("freshness", "Newest data", _with_lag(figures), _FRESHNESS)]),
    ]  # fmt: skip
    return [
        Part(
            anchor,
            title,
            as_of,
            tables,
            {table.anchor: charts[table.anchor] for table in tables if table.anchor in charts},
        )
        for anchor, title, as_of, tables in found
    ]


def _newest(figures: ReportFigures, subject: str) -> str:
    """Until which date the state of a subject was known at the close of the report's date."""
    newest = figures.state_date(subject)
    if newest is None:
        return "Nothing was known yet."
    if newest == figures.business_date:
        return f"Over all dates until {newest}, as known at its close."
    return (
        f"Over all dates until {newest}: nothing of later dates had arrived at the close of this "
        "report's date."
    )


def _money(figures: ReportFigures) -> Table:
    records = [
        record
        | compared(record, "minor", lambda value, record=record: priced(value, record["currency"]))  # type: ignore[misc] # mypy cannot infer a default
        for record in records_of(figures.money)
    ]
    note = f"{_BAND_NOTE} Holds and reversals change what is held; the other lines are posted."
    return table_of("money", "Each kind of movement", records, _MONEY, note=note)


def _decisions(figures: ReportFigures) -> Table:
    rows = [
        record | compared(record, "decision_count")
        for record in _with_shares(records_of(figures.decisions), "decision_count")
    ]
    return table_of("decisions", "Decisions", rows, _DECISIONS, note=_BAND_NOTE)


def _reasons(figures: ReportFigures) -> Table:
    rows = _with_shares(records_of(figures.reject_reasons), "reject_count")
    return table_of("reject-reasons", "Why rejected", rows, _REASONS)


def _with_shares(records: Sequence[dict[str, Any]], count: str) -> list[dict[str, Any]]:
    """Records with their `share` of the counts of their program and currency."""
    totals = Counter[tuple[str, str]]()
    for record in records:
        totals[record["program"], record["currency"]] += record[count]
    return [
        record | {"share": share(record[count], totals[record["program"], record["currency"]])}
        for record in records
    ]


def _rates(figures: ReportFigures) -> list[Table]:
    days = [
        record
        | {"share": share(record["failed_count"], record["attempt_count"])}
        | compared(record, "rate_bp", lambda rate: percent(Decimal(rate) / 10_000))
        for record in records_of(figures.failure_days)
    ]
    failures = [
        record | {"share": share(record["failed_count"], record["attempt_count"])}
        for record in records_of(figures.failure_rates)
    ]
    return [
        table_of("failure-days", "Payment failure rate of the day", days, _FAILURE_DAYS,
                 note=f"Payments made on {figures.business_date} (UTC), as they stand by now. The band is of the "
                 "daily rates among the 28 dates before."),
        table_of("failure-codes", "Why payments of the day failed",
                 records_of(figures.failure_codes), _FAILURE_CODES),
        table_of("failures", "Payment failure rate over all dates", failures, _FAILURES,
                 note="Failed payments of failed, completed and refunded ones, each by its latest version."),
        table_of("chargebacks", "Chargeback rate over all dates",
                 [_chargeback_rate(record) for record in records_of(figures.chargeback_rates)],
                 _CHARGEBACKS, note=_CHARGEBACK_NOTE),
    ]  # fmt: skip


def _chargeback_rate(record: dict[str, Any]) -> dict[str, Any]:
    lower, upper = record["lower_rate"], record["upper_rate"]
    return record | {
        "share": share(record["disputed_transaction_count"], record["settled_transaction_count"]),
        "interval": "" if lower is None else f"{percent(lower)} to {percent(upper)}",
        "value_share": share_of_money(
            int(record["dispute_value_minor"]),
            int(record["transaction_volume_minor"]),
            record["currency"],
        ),
    }


def _disputes(figures: ReportFigures) -> list[Table]:
    one_page = "One of them on a page of its own: cardops disputes show CASE --html FILE."
    return [
        table_of("queue", "Disputes to answer", records_of(figures.queue), _QUEUE),
        _cut("overdue", "Overdue: the reply-by date has passed", figures.overdue, _DEADLINES,
             "cardops disputes list --overdue", one_page),
        _cut("deadlines", "To answer within seven days", figures.deadlines, _DEADLINES,
             "cardops disputes list --due-within 7", one_page),
        table_of("waiting", "Accepted disputes that were in no chargeback file at the close",
                 records_of(figures.waiting), _WAITING),
        table_of("disputes", "All disputes by network", records_of(figures.disputes), _DISPUTES),
    ]  # fmt: skip


def _provisional(figures: ReportFigures) -> Table:
    return _cut(
        "provisional", "Needs a person or a notice today", figures.provisional, _PROVISIONAL,
        "cardops provisional list",
    )  # fmt: skip


def _deliveries(figures: ReportFigures) -> list[Table]:
    return [
        table_of("batch-files",
                 "Chargeback files of the day, and earlier ones not delivered or with rows that wait",
                 records_of(figures.batch_files), _BATCH_FILES),
        table_of("acknowledgements", "What card companies answered on the date",
                 records_of(figures.acknowledgements), _ANSWERS),
    ]  # fmt: skip


def _input(figures: ReportFigures) -> list[Table]:
    operations = figures.operations
    stopped = [
        asdict(file) | {"totals": each_priced(file.totals_minor)} for file in operations.stopped
    ]
    waiting = [
        asdict(rows) | {"oldest": f"{rows.oldest_since:%Y-%m-%d %H:%M}"}
        for rows in operations.waiting
    ]
    quarantined = share(operations.quarantined_rows, operations.read_rows)
    return [
        table_of("quarantine", "Quarantined rows by reason",
                 [asdict(rows) for rows in operations.quarantined], _QUARANTINE,
                 note=f"Quarantined of the rows read: {quarantined}. A row with several reasons counts under each."),
        table_of("stopped", "Files that are refused, held, given up or missing", stopped, _STOPPED),
        table_of("waiting-rows", "Quarantined rows that wait for what they refer to", waiting,
                 _WAITING_ROWS),
    ]  # fmt: skip


def _books(figures: ReportFigures) -> list[Table]:
    return [
        _cut("breaks", "Breaks", figures.breaks, _BREAKS,
             'cardops sql "select * from fct_reconciliation_breaks"'),
        table_of("safeguarding", "Money at the bank and money owed to users",
                 records_of(figures.safeguarding), _SAFEGUARDING,
                 nothing="No account is compared on this date."),
        table_of("failed-tests", "Tests of the marts that failed in the newest build",
                 records_of(figures.failed_tests), {"test": "Test"}),
        table_of("failed-parts", "Parts of this report that could not be made",
                 failed_rows(figures), _FAILED_PARTS),
    ]  # fmt: skip


def _alarms(figures: ReportFigures) -> Table:
    found, listed = figures.alarms, figures.alarms[:MAX_ALARMS]
    more = len(found) - len(listed)
    return table_of(
        "alarms", "Alarms that may not have been sent, and those that still stand",
        [asdict(alarm) for alarm in listed], _ALARMS, note=f"And {more:,} more." if more else "",
    )  # fmt: skip


def _matching(figures: ReportFigures) -> list[Table]:
    return [
        table_of("match-breaks", "What does not match", records_of(figures.match_breaks),
                 _MATCH_BREAKS),
        table_of("matches", "What matches or waits", records_of(figures.matches), _MATCHES),
    ]  # fmt: skip


def _cut(
    anchor: str, title: str, frame: Any, headings: Headings, command: str, hint: str = ""
) -> Table:
    """A list of which the page shows the most urgent cases only, and says how many more there are."""
    records = records_of(frame)
    more = found_in(frame) - len(records)
    notes = [f"{more:,} more: {command} shows them."] if more > 0 else []
    if hint and records:
        notes.append(hint)
    return table_of(anchor, title, records, headings, note=" ".join(notes))


def _with_lag(figures: ReportFigures) -> list[dict[str, Any]]:
    """How many days each part lags behind the report's day."""
    return [
        record | {"state": _lag(record["newest_day"], figures.business_date)}
        for record in records_of(figures.freshness)
    ]


def _lag(newest: date | None, business_date: date) -> str:
    if newest is None:
        return "nothing yet"
    days = (business_date - newest).days
    return "up to date" if days <= 0 else f"{days} days behind" if days > 1 else "1 day behind"
