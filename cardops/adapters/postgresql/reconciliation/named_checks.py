"""The named checks of the store as SQL, and what their texts are filled with.

Belongs here: the list of statements, each of which is one snapshot. The texts are in the modules
`account_checks`, `authorization_checks`, `response_checks`, `deposit_checks`,
`provisional_checks` and `limit_checks`.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from psycopg import sql

from cardops.adapters.postgresql.reconciliation.account_checks import (
    EVENTS,
    INSTANTS,
    RUNNING_BALANCES,
    SEQUENCES,
)
from cardops.adapters.postgresql.reconciliation.authorization_checks import (
    ALL_CALLBACKS,
    AUTHORIZATIONS,
    CALLBACKS,
    FIGURES,
    REQUEST_HASHES,
)
from cardops.adapters.postgresql.reconciliation.deposit_checks import (
    DEPOSITS,
    FILE_STATES,
    FILES,
)
from cardops.adapters.postgresql.reconciliation.limit_checks import LIMITS
from cardops.adapters.postgresql.reconciliation.provisional_checks import PROVISIONAL
from cardops.adapters.postgresql.reconciliation.response_checks import (
    ACTION_RESPONSES,
    DECISION_RESPONSES,
)
from cardops.rules.authorizations.records import LONGEST_HOLD_SECONDS
from cardops.rules.currencies import EXPONENTS

CHECKS: Final = (
    SEQUENCES,
    RUNNING_BALANCES,
    INSTANTS,
    AUTHORIZATIONS,
    REQUEST_HASHES,
    DECISION_RESPONSES,
    ACTION_RESPONSES,
    CALLBACKS,
    DEPOSITS,
    FILE_STATES,
    PROVISIONAL,
)
# What only a full reconciliation evaluates.
FULL_CHECKS: Final = (LIMITS,)
# What has neither a decision nor an action.
_ALL_TOUCHED: Final = """
    union select program, transaction_id from holds
    union select program, transaction_id from voided_ids
"""
BEGINNING: Final = date(1, 1, 1)


def values(business_date: date, since: date | None) -> dict[str, sql.Composable]:
    """What the SQL of checks is filled with; without an earlier date, it reads everything."""
    is_full = since is None
    filled: dict[str, sql.Composable] = {
        "since": instant(since),
        "since_date": sql.Literal(since or BEGINNING),
        "day": sql.Literal(business_date),
        "all_holds": sql.SQL(_ALL_TOUCHED if is_full else ""),
        "all_callbacks": sql.SQL(ALL_CALLBACKS if is_full else ""),
        "all_accounts": sql.SQL(
            "union select program, user_id, currency, 1 from accounts" if is_full else ""
        ),
        "currencies": _CURRENCIES,
        "longest_hold": sql.Literal(timedelta(seconds=LONGEST_HOLD_SECONDS)),
    }
    for name, text in (("events", EVENTS), ("figures", FIGURES), ("files", FILES)):
        filled[name] = sql.SQL(text).format(**filled)
    return filled


def instant(day: date | None) -> sql.Composable:
    """The first instant of the date; with no date, one before all."""
    if day is None:
        return sql.SQL("'-infinity'::timestamptz")
    return sql.SQL("{}::timestamptz").format(sql.Literal(datetime.combine(day, time(), UTC)))


_CURRENCIES: Final = sql.SQL("(values {}) as c (currency, exponent, factor)").format(
    sql.SQL(", ").join(
        sql.SQL("({}, {}, {}::numeric)").format(
            sql.Literal(currency), sql.Literal(exponent), sql.Literal(10**exponent)
        )
        for currency, exponent in EXPONENTS.items()
    )
)
