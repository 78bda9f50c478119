"""camt.053 (ISO 20022 bank-to-customer statement), any version: elements are found by local name.

Only booked entries count. XML is read by defusedxml with document types forbidden, so that a file
can neither expand entities nor make the reader open another file.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

from cardops.contracts.statements.statement import (
    Entry,
    Statement,
    StatementError,
    exact_amount,
    only_currency,
)

# Opening: booked, or the former statement's closing one. Closing: booked.
_OPENING: Final = ("OPBD", "PRCD")
_CLOSING: Final = ("CLBD",)
_BOOKED: Final = "BOOK"
_SIGNS: Final = {"CRDT": 1, "DBIT": -1}


def read_camt053(content: bytes) -> list[Statement]:
    """The file's statements. Raises StatementError, or an error of the XML parser."""
    root = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    statements = [_statement(element) for element in root.iter() if _name(element) == "Stmt"]
    if not statements:
        raise StatementError("it has no statement (element Stmt)")
    return statements


def _statement(element: Element) -> Statement:
    statement_id = _text(element, "Id") or ""
    opening = _balance(element, _OPENING, statement_id)
    closing = _balance(element, _CLOSING, statement_id)
    account = _text(element, "Acct", "Id", "IBAN") or _text(element, "Acct", "Id", "Othr", "Id")
    booked = [entry for entry in _all(element, "Ntry") if _status(entry) == _BOOKED]
    money = [_one(part, "Amt").get("Ccy", "") for part in (opening, closing, *booked)]
    return Statement(
        account_id=account or "",
        statement_id=statement_id,
        closed_on=_day(closing, "Dt")
        or _missing(f"the closing balance of {statement_id} has a date"),
        currency=only_currency(money, statement_id),
        opening=_signed(opening),
        closing=_signed(closing),
        entries=[_entry(entry) for entry in booked],
    )


def _balance(statement: Element, codes: tuple[str, ...], statement_id: str) -> Element:
    """The balance of the first type that the statement has."""
    balances = [(_text(each, "Tp", "CdOrPrtry", "Cd"), each) for each in _all(statement, "Bal")]
    for code in codes:
        found = [balance for of_type, balance in balances if of_type == code]
        if len(found) > 1:
            raise StatementError(f"statement {statement_id} has several balances of type {code}")
        if found:
            return found[0]
    raise StatementError(f"statement {statement_id} has no balance of type {' or '.join(codes)}")


def _entry(element: Element) -> Entry:
    details = [part for part in element.iter() if _name(part) == "TxDtls"]
    references = [_text(part, "Refs", "EndToEndId") for part in details]
    remittance = [
        part.text.strip() for part in element.iter() if _name(part) == "Ustrd" and part.text
    ]
    # A reversal keeps the indicator of the movement itself, so it is already the right sign.
    return Entry(
        amount=_signed(element),
        booked_on=_day(element, "BookgDt"),
        valued_on=_day(element, "ValDt"),
        reference=(references[0] if len(references) == 1 else None)
        or _text(element, "AcctSvcrRef")
        or _text(element, "NtryRef"),
        remittance=" ".join(remittance) or _text(element, "AddtlNtryInf"),
    )


def _signed(element: Element) -> Decimal:
    indicator = _text(element, "CdtDbtInd")
    if indicator not in _SIGNS:
        raise StatementError(f"an element {_name(element)} is neither a credit nor a debit")
    return _SIGNS[indicator] * exact_amount(_one(element, "Amt").text)


def _status(entry: Element) -> str:
    """A code of its own since version 8, plain text before."""
    return _text(entry, "Sts", "Cd") or _text(entry, "Sts") or ""


def _day(element: Element, name: str) -> date | None:
    text = _text(element, name, "Dt") or _text(element, name, "DtTm")
    return date.fromisoformat(text[:10]) if text else None


def _missing(what: str) -> date:
    raise StatementError(f"it is not so that {what}")


def _one(element: Element, name: str) -> Element:
    found = next(_all(element, name), None)
    if found is None:
        raise StatementError(f"an element {_name(element)} has no {name}")
    return found


def _all(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _text(element: Element, *names: str) -> str | None:
    found: Element | None = element
    for name in names:
        if found is not None:
            found = next(_all(found, name), None)
    return found.text.strip() if found is not None and found.text and found.text.strip() else None


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
