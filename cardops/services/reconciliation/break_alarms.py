"""The alarm that books disagree: the accounts, both figures, and that money is at risk.

Belongs here: its words, and when it is over. Finding the breaks is in reconciling.
"""

from datetime import date
from typing import Any, Final

import polars as pl

from cardops.ports import Notifier
from cardops.rules.alarms.incidents import Severity
from cardops.rules.money import format_amount

RUNBOOK: Final = "docs/runbooks/reconciliation-breaks.md"
BOOKS: Final = "books:"
MAX_NAMED: Final = 10


def tell_of_breaks(business_date: date, breaks: pl.DataFrame, notifier: Notifier) -> None:
    """One incident a business date, which ends when its books agree."""
    key = f"{BOOKS}{business_date}"
    if breaks.is_empty():
        notifier.resolve(key, f"The books of {business_date} were compared again and agree.")
        return
    count = breaks.height
    named = "; ".join(break_sentence(row) for row in breaks.head(MAX_NAMED).iter_rows(named=True))
    more = f"; and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
    notifier.notify(
        f"The books of {business_date} disagree: {'1 break' if count == 1 else f'{count} breaks'}",
        f"Money is at risk. {named}{more}. Authorizations continue; the marts of the date are not "
        f"published. `cardops reconcile --date {business_date}` compares again and lists every break.",
        runbook=RUNBOOK,
        incident=key,
        severity=Severity.CRITICAL,
    )


def break_sentence(row: dict[str, Any]) -> str:
    """Whose figures differ, and what each source says."""
    whose = " of ".join(text for text in (row["user_id"] or row["subject"], row["program"]) if text)
    figures = " but ".join(
        f"{side} {_figure(amount, row)}"
        for side, amount in (
            (row["side_a"], row["amount_a_minor"]),
            (row["side_b"], row["amount_b_minor"]),
        )
    )
    return f"{whose or 'the date'}: {figures} ({row['check_name']})"


def _figure(amount: Any, row: dict[str, Any]) -> str:
    if amount is None:
        return "has none"
    if row["unit"] == "minor" and row["currency"]:
        return f"has {format_amount(int(amount), row['currency'])} {row['currency']}"
    return f"has {int(amount)} {row['unit'] or ''}".rstrip()
