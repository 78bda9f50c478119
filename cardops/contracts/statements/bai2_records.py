"""BAI2 (cash management balance reporting) with the library bai2, which checks control totals."""

from decimal import Decimal
from typing import Any, Final

from bai2.bai2 import parse_from_string
from bai2.constants import AsOfDateModifier

from cardops.contracts.statements.statement import Entry, Statement, StatementError
from cardops.rules.currencies import EXPONENTS

_OPENING: Final = "010"
_CLOSING: Final = "015"
_SIGNS: Final = {"credit": 1, "debit": -1}
# Other groups take back what was sent before, or only try the connection.
_UPDATE: Final = "1"
# What follows on the same day would contradict them.
_INTERIM: Final = frozenset(
    {
        AsOfDateModifier.interim_previous_day,
        AsOfDateModifier.interim_same_day,
    }
)


def read_bai2(content: bytes) -> list[Statement]:
    """The file's statements. Raises StatementError, or an error of the library."""
    parsed = parse_from_string(content.decode("utf-8-sig"))
    return [_statement(group, account) for group in parsed.children for account in group.children]


def _statement(group: Any, account: Any) -> Statement:
    number = account.header.customer_account_number or ""
    if group.header.group_status.value != _UPDATE:
        raise StatementError(
            f"account {number} is in a group of status {group.header.group_status.name}, and only "
            "updates are taken"
        )
    if group.header.as_of_date_modifier in _INTERIM:
        raise StatementError(f"account {number} is in a group of interim figures of a day")
    currency = account.header.currency or group.header.currency
    if currency not in EXPONENTS:
        raise StatementError(f"account {number} has the currency {currency}, which is none")
    balances = {item.type_code.code: item.amount for item in account.header.summary_items}
    missing = [code for code in (_OPENING, _CLOSING) if balances.get(code) is None]
    if missing:
        raise StatementError(
            f"account {number} has no ledger balance of type {' and '.join(missing)}"
        )
    closed_on = group.header.as_of_date
    return Statement(
        account_id=number,
        statement_id=closed_on.isoformat(),
        closed_on=closed_on,
        currency=currency,
        opening=_decimal(balances[_OPENING], currency),
        closing=_decimal(balances[_CLOSING], currency),
        entries=[_entry(item, currency) for item in account.children if item.amount],
    )


def _entry(item: Any, currency: str) -> Entry:
    amount = _decimal(item.amount, currency)
    sign = _SIGNS.get(getattr(item.type_code.transaction, "value", ""))
    if sign is None:
        raise StatementError(
            f"an entry of type {item.type_code.code} is neither a credit nor a debit"
        )
    return Entry(
        amount=sign * amount,
        booked_on=None,
        reference=item.customer_reference or item.bank_reference,
        remittance=(item.text or "").strip().rstrip("/") or None,
    )


def _decimal(amount_minor: int, currency: str) -> Decimal:
    return Decimal(amount_minor).scaleb(-EXPONENTS[currency])
