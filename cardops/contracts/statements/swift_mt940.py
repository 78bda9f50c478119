"""MT940 (SWIFT customer statement) with the library mt-940; one message is one page of a statement."""

import re
from decimal import Decimal
from typing import Any, Final

import mt940

from cardops.contracts.statements.statement import (
    Entry,
    Statement,
    StatementError,
    only_currency,
)

# A message begins with its own reference.
_MESSAGE: Final = re.compile(r"(?m)^(?=:20:)")
# Reversals of credits are debits; the library's sign knows plain debits only.
_DEBITS: Final = frozenset({"D", "RC"})


def read_mt940(content: bytes) -> list[Statement]:
    """The file's statements. Raises StatementError, or an error of the library."""
    messages = _MESSAGE.split(_decoded(content).replace("\r\n", "\n").replace("\r", "\n"))
    statements = [_statement(message) for message in messages if message.startswith(":20:")]
    if not statements:
        raise StatementError("it has no statement (tag :20:)")
    return statements


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _statement(message: str) -> Statement:
    parsed = mt940.parse(message)
    fields: dict[str, Any] = dict(parsed.data)
    opening = fields.get("final_opening_balance") or fields.get("intermediate_opening_balance")
    closing = fields.get("final_closing_balance") or fields.get("intermediate_closing_balance")
    number = fields.get("statement_number") or fields.get("transaction_reference") or ""
    if opening is None or closing is None:
        raise StatementError(
            f"statement {number} has no opening balance (tag :60F:) or no closing one (tag :62F:)"
        )
    entries = [_entry(line.data) for line in parsed if line.data.get("amount")]
    if len(entries) != len(re.findall(r"(?m)^:61:", message)):
        raise StatementError(f"statement {number} has a line (tag :61:) that cannot be read")
    return Statement(
        account_id=str(fields.get("account_identification") or ""),
        # Numbers begin again every year.
        statement_id=f"{closing.date.year}-{number}",
        closed_on=closing.date,
        currency=only_currency(
            [str(balance.amount.currency) for balance in (opening, closing)], number
        ),
        opening=opening.amount.amount,
        closing=closing.amount.amount,
        entries=entries,
        begins="final_opening_balance" in fields,
        ends="final_closing_balance" in fields,
    )


def _entry(line: dict[str, Any]) -> Entry:
    amount: Decimal = abs(line["amount"].amount)
    reference = line.get("customer_reference")
    return Entry(
        amount=-amount if line["status"] in _DEBITS else amount,
        booked_on=line.get("entry_date") or line.get("date"),
        valued_on=line.get("date"),
        reference=line.get("bank_reference") if reference in {None, "", "NONREF"} else reference,
        remittance=" ".join(str(line.get("transaction_details") or "").split()) or None,
    )
