"""A mapping's definition: what it says when read and written again, and what is refused at once."""

from typing import Any

import pytest

from cardops.rules.mappings.amounts import AmountFormat, Grouping, Sign
from cardops.rules.mappings.dates import DateFormat
from cardops.rules.mappings.mapping import (
    STRICT,
    MappingRefusedError,
    definition_of,
    mapping_of,
)

GERMAN = {
    "delimiter": ";",
    "encoding": "cp1252",
    "skip_rows": 2,
    "columns": {"Kunde": "user_id", "Betrag": "amount"},
    "constants": {"currency": "EUR"},
    "values": {"status": {"bezahlt": "paid"}},
    "decimal": ",",
    "thousands": ".",
    "affixes": ["€"],
    "date_formats": ["%d.%m.%Y"],
    "time_zone": "Europe/Berlin",
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"decimal": ",", "thousands": ","}, "could be either"),
    ({"decimal": ";"}, "neither"),
    ({"thousands": "-"}, "no known separator"),
    ({"date_formats": ["%d/%m/%Y", "%m/%d/%Y"]}, "could be either"),
    ({"date_formats": ["%Y-%d-%m"]}, "could be either"),
    ({"date_formats": ["%d.%m"]}, "needs one of %Y or %y"),
    ({"date_formats": ["%d.%m.%Y %Q"]}, "none of"),
    ({"date_formats": ["%d.%m.%Y %I:%M"]}, "%I and %p"),
    ({"date_formats": ["%d.%m.%Y %M"]}, "without its hour"),
    ({"delimiter": "\n"}, "one line"),
    ({"delimiter": "ab"}, "delimiter"),
    ({"delimiter": '"'}, "delimiter"),
    ({"encoding": "rot13"}, "not known"),
    ({"encoding": "utf-7"}, "not known"),
    ({"columns": {"a": "amount", "b": "amount"}}, "same one"),
    ({"columns": {"a": "amount", "A ": "user_id"}}, "twice"),
    ({"columns": {"a": "amount"}, "ignore": ["a"]}, "both uses and ignores"),
    ({"columns": {"a": "currency"}, "constants": {"currency": "EUR"}}, "fills currency twice"),
    ({"constants": {"currency": " "}}, "empty"),
    ({"header": False, "columns": {"Betrag": "amount"}}, "no position"),
    ({"skip_rows": -1}, "skip_rows"),
    ({"skip_rows": True}, "whole number"),
    ({"minor_units": "yes"}, "true nor false"),
    ({"affixes": ["1"]}, "affix"),
    ({"direction": {"column": "S/H", "credit": ["H"], "debit": ["H"]}}, "both credit and debit"),
    ({"direction": {"column": "S/H"}}, "no words"),
    ({"debit_credit": {"amount": {"credit": "H"}}}, "credit and debit"),
    ({"repeated_hour": "both"}, "repeated_hour"),
    ({"time_of_day": "25:00"}, "time_of_day"),
    ({"separator": ";"}, "none of"),
]


def test_definition_read_and_written_again_is_the_same() -> None:
    assert definition_of(mapping_of(GERMAN)) == GERMAN
    assert definition_of(STRICT) == {}
    assert mapping_of({}) == STRICT


@pytest.mark.parametrize(("definition", "sentence"), REFUSED)
def test_ambiguous_or_unknown_definition_is_refused(
    definition: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(MappingRefusedError, match="cannot be used") as refused:
        mapping_of(definition)

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("written", "amounts", "text"),
    [
        ("1.234,50", AmountFormat(",", "."), "1234.50"),
        ("1234,50", AmountFormat(",", "."), "1234.50"),
        ("1.23,50", AmountFormat(",", "."), "?1.23,50"),
        ("12.34", AmountFormat(",", "."), "?12.34"),
        ("1.234", AmountFormat(",", "."), "1234"),
        ("1.234", AmountFormat(","), "?1.234"),
        ("1'234.50", AmountFormat(".", "'"), "1234.50"),
        ("12,34,567.89", AmountFormat(".", ",", Grouping.INDIAN), "1234567.89"),
        ("1,234,567.89", AmountFormat(".", ",", Grouping.INDIAN), "?1,234,567.89"),
        ("1,234", AmountFormat(".", ",", Grouping.INDIAN), "1234"),
        ("25", AmountFormat(is_minor=True), "0.25"),
        ("2500", AmountFormat(is_minor=True), "25.00"),
        ("25.00", AmountFormat(is_minor=True), "?25.00"),
        ("-25", AmountFormat(), "-25"),
        ("+25", AmountFormat(), "?+25"),
        ("+25", AmountFormat(sign=Sign.SIGNED), "25"),
        ("25-", AmountFormat(sign=Sign.SIGNED), "-25"),
        ("(25)", AmountFormat(sign=Sign.SIGNED), "-25"),
        ("(25", AmountFormat(sign=Sign.SIGNED), "?(25"),
        ("-25-", AmountFormat(sign=Sign.SIGNED), "?-25-"),
        ("\u221225", AmountFormat(sign=Sign.NEGATIVE), "25"),
        ("25", AmountFormat(sign=Sign.NEGATIVE), "-25"),
        ("-25", AmountFormat(sign=Sign.IGNORED), "25"),
        ("25,00 €", AmountFormat(",", affixes=("€",)), "25.00"),
        ("€25,00", AmountFormat(",", affixes=("€",)), "25.00"),
        ("$25,00", AmountFormat(",", affixes=("€",)), "?$25,00"),
        ("1e3", AmountFormat(), "?1e3"),
        ("٢٥", AmountFormat(), "?٢٥"),
        ("1_000", AmountFormat(), "?1_000"),
    ],
)
def test_amount_is_read_as_written_or_not_at_all(
    written: str, amounts: AmountFormat, text: str
) -> None:
    assert amounts.contract_text(written, "EUR") == text


def test_debit_with_a_minus_of_its_own_is_not_read() -> None:
    assert AmountFormat(sign=Sign.SIGNED).contract_text("25", "EUR", is_debit=True) == "-25"
    assert AmountFormat(sign=Sign.SIGNED).contract_text("-25", "EUR", is_debit=True) == "?-25"
    assert AmountFormat(sign=Sign.NEGATIVE).contract_text("25", "EUR", is_debit=True) == "25"


@pytest.mark.parametrize(
    ("written", "date_format", "text"),
    [
        ("1.7.2026", "%d.%m.%Y", "2026-07-01"),
        ("31.02.2026", "%d.%m.%Y", "2026-02-31"),
        ("07/31/2026 3:05 PM", "%m/%d/%Y %I:%M %p", "2026-07-31T15:05:00"),
        ("07/31/2026 12:05 AM", "%m/%d/%Y %I:%M %p", "2026-07-31T00:05:00"),
        ("07/31/2026 13:05 PM", "%m/%d/%Y %I:%M %p", "2026-07-31T99:05:00"),
        ("31-Jul-2026", "%d-%b-%Y", "2026-07-31"),
        ("31-Foo-2026", "%d-%b-%Y", "2026-00-31"),
        ("20260731", "%Y%m%d", "2026-07-31"),
        ("310726", "%d%m%y", "2026-07-31"),
        ("31.07.2026 10:00:00.123+0200", "%d.%m.%Y %H:%M:%S.%f%z", "2026-07-31T10:00:00.123+0200"),
        ("2026-07-31", "%d.%m.%Y", None),
    ],
)
def test_date_is_rewritten_in_iso_8601(written: str, date_format: str, text: str | None) -> None:
    assert DateFormat(date_format).problem is None
    assert DateFormat(date_format).iso(written) == text
