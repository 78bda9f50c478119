"""A slow, obvious model of the three-way match: one transaction id after the other, plain loops."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from tests.factories.match_days import MatchDays

SETTLED: Final = ("completed", "refunded")
GIVEN_BACK: Final = ("provisional_credit", "credit_made_final", "credit_taken_back")
DUE_DAYS: Final = 7
Row = Mapping[str, Any]
Break = tuple[str, str, str, int]


def expected_breaks(days: MatchDays, as_of: date) -> set[Break]:
    """(program, transaction, kind, age in days) of every break."""
    logs, versions, disputes = (
        _by_transaction(days, table) for table in ("transaction_log", "transactions", "chargebacks")
    )
    log_dates = [on for rows in logs.values() for on, _ in rows]
    payments = {
        key: _settlement(rows) for key, rows in versions.items() if _latest(rows)[1] in SETTLED
    }
    found: set[Break] = set()
    for key in {*logs, *versions, *disputes}:
        payment = payments.get(key)
        for kind, since in [
            *_of_authorization(logs.get(key, []), payment, (min(log_dates), max(log_dates), as_of)),
            *_of_settlement(key, payments),
            *_of_disputes(disputes.get(key, []), payment, as_of),
        ]:
            found.add((days.program, key, kind, (as_of - since).days))
    return found


def _by_transaction(days: MatchDays, table: str) -> dict[str, list[tuple[date, Row]]]:
    rows: dict[str, list[tuple[date, Row]]] = defaultdict(list)
    for on, of_day in sorted(days.rows[table].items()):
        for row in of_day:
            if row.get("kind") in GIVEN_BACK:
                continue
            rows[row["transaction_id"]].append((on, row))
    return rows


def _latest(versions: Sequence[tuple[date, Row]]) -> tuple[Row, str]:
    row = max(versions, key=lambda version: (version[1]["created_at"], version[0]))[1]
    return row, row.get("status", "completed")


def _settlement(versions: Sequence[tuple[date, Row]]) -> dict[str, Any]:
    row, status = _latest(versions)
    settled = [(on, old) for on, old in versions if old.get("status", "completed") in SETTLED]
    return {
        **row,
        "status": status,
        "currency": row.get("currency", "USD"),
        "settled_on": min(on for on, _ in settled),
        "instants": {old["created_at"] for _, old in settled},
    }


def _of_authorization(
    events: Sequence[tuple[date, Row]], payment: Row | None, dates: tuple[date, date, date]
) -> list[tuple[str, date]]:
    log_begins, log_ends, as_of = dates
    decision = next((row for _, row in events if row["kind"] == "decision"), None)
    if decision is None or decision["status"] == "REJECT":
        is_expected = decision is not None or (
            payment is not None and log_begins <= payment["created_at"].date() <= log_ends
        )
        if payment is not None and is_expected:
            return [("settled_never_authorized", payment["settled_on"])]
        return []
    captures = [(on, row) for on, row in events if row["posted_minor"] < 0]
    captured = -sum(row["posted_minor"] for _, row in captures)
    refunded = sum(row["posted_minor"] for _, row in events if row["kind"] == "refund")
    held = sum(row["held_change_minor"] for _, row in events)
    if not captured:
        return _of_uncaptured(payment, log_ends, is_held=held > 0)
    captured_on = max(on for on, _ in captures)
    if payment is None:
        is_due = (as_of - captured_on).days > DUE_DAYS and captured > refunded
        return [("authorized_never_settled", captured_on)] if is_due else []
    return _of_pair(decision, captured, captured_on, payment)


def _of_uncaptured(payment: Row | None, log_ends: date, *, is_held: bool) -> list[tuple[str, date]]:
    if payment is None or (is_held and log_ends <= payment["settled_on"]):
        return []
    return [("settled_without_capture", payment["settled_on"])]


def _of_pair(
    decision: Row, captured: int, captured_on: date, payment: Row
) -> list[tuple[str, date]]:
    settled_on = payment["settled_on"]
    found = []
    if payment["currency"] != "USD":
        found.append(("currency_differs", settled_on))
    elif payment["amount_minor"] != captured:
        found.append(("amount_differs", settled_on))
    if payment["user_id"] not in {None, decision["user_id"]}:
        found.append(("user_differs", settled_on))
    if (settled_on - captured_on).days > DUE_DAYS:
        found.append(("settled_late", settled_on))
    return found


def _of_settlement(key: str, payments: Mapping[str, Row]) -> list[tuple[str, date]]:
    payment = payments.get(key)
    if payment is None:
        return []

    def order(other: str) -> tuple[Any, ...]:
        return (payments[other]["settled_on"], payments[other]["created_at"], other)

    same = [
        other
        for other, row in payments.items()
        if all(row[name] == payment[name] for name in ("order_id", "currency", "amount_minor"))
        and row["status"] == payment["status"] == "completed"
        and order(other) < order(key)
    ]
    is_twice = len(payment["instants"]) > 1 or bool(same)
    return [("settled_twice", payment["settled_on"])] if is_twice else []


def _of_disputes(
    disputes: Sequence[tuple[date, Row]], payment: Row | None, as_of: date
) -> list[tuple[str, date]]:
    has_chargeback = any(row.get("stage", "chargeback") != "inquiry" for _, row in disputes)
    if payment is not None or not has_chargeback:
        return []
    since = min(on for on, _ in disputes)
    is_due = (as_of - since).days > DUE_DAYS
    return [("disputed_never_settled", since)] if is_due else []
