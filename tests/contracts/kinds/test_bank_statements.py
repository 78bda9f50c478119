"""Bank statements: every format gives the same rows, and what does not add up is refused whole."""

import gzip
import re
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.columns.balances import balance_failures, balance_minor
from cardops.contracts.statements.rows import CONVERTERS
from cardops.contracts.statements.statement import StatementError, StatementRow
from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import FileOutcome
from cardops.rules.money import MAX_AMOUNT_MINOR
from tests.factories.bank_statements import (
    BAI2,
    CAMT053,
    CSV,
    FORMATS,
    HEADER,
    LINES,
    MT940,
    statement_line,
)
from tests.factories.intake_environment import IntakeWorld, csv_file


def submitted(content: str | bytes, name: str = "a.csv") -> tuple[FileOutcome, IntakeWorld]:
    world = IntakeWorld()
    return world.submit("bank_statements", content, name=name), world


@pytest.mark.parametrize("extension", FORMATS)
def test_every_format_gives_the_same_entries_and_balances(extension: str) -> None:
    outcome, world = submitted(FORMATS[extension], f"a.{extension}")

    assert outcome.error is None
    assert (outcome.read, outcome.accepted) == (2, 2)
    rows = world.rows("bank_statements").sort("row_number")
    assert rows["amount_minor"].to_list() == [25050, -300]
    assert rows["entry_id"].to_list() == ["1", "2"]
    assert set(rows["opening_balance_minor"]) == {100_000}
    assert set(rows["closing_balance_minor"]) == {124_750}
    assert set(rows["statement_date"]) == set(rows["booking_date"]) == {date(2026, 11, 20)}
    assert rows["reference"][0] == "dep-file-1"
    assert rows["remittance"].to_list() == ["Funding of deposits", "Fee"]


@pytest.mark.parametrize("extension", FORMATS)
def test_same_statement_again_is_duplicates(extension: str) -> None:
    _, world = submitted(FORMATS[extension], f"a.{extension}")

    again = world.submit(
        "bank_statements", gzip.compress(FORMATS[extension].encode()), name=f"b.{extension}.gz"
    )

    assert (again.accepted, again.duplicate, again.quarantined) == (0, 2, 0)


def test_changed_statement_of_a_known_id_is_in_conflict() -> None:
    _, world = submitted(CSV)
    changed = CSV.replace("250.50", "251.50").replace("1247.50", "1248.50")

    outcome = world.submit("bank_statements", changed, name="b.csv")

    assert outcome.reasons == {"conflicting_duplicate": 2}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (csv_file(HEADER, LINES[0]), "a.csv"),
        (csv_file(HEADER, *LINES, LINES[1].replace(",2,3.00", ",3,3.00")), "a.csv"),
        (MT940.replace("1247,50", "1247,49"), "a.sta"),
        (CAMT053.replace(">250.50<", ">25050<"), "a.xml"),
        (CAMT053.replace("<Sts>PDNG</Sts>", "<Sts>BOOK</Sts>"), "a.xml"),
    ],
)
def test_statement_that_does_not_add_up_is_refused_with_both_figures(
    content: str, name: str
) -> None:
    outcome, world = submitted(content, name)

    assert outcome.error is not None
    assert "does not add up" in outcome.error
    assert "opening balance of 1000.00 USD" in outcome.error
    assert world.lake.scan("bank_statements") is None


def test_invalid_entry_makes_its_file_refused_and_is_counted() -> None:
    outcome, _ = submitted(csv_file(HEADER, LINES[0], LINES[1].replace("3.00", "3,00")))

    assert outcome.error is not None
    assert "1 row(s) of it are invalid" in outcome.error


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (statement_line("1,,credit,,,,", closing="1000"), "missing_field"),
        (statement_line("1,5,sideways,,,,", closing="1000"), "invalid_status"),
        (statement_line("1,5.001,credit,,,,", closing="1000"), "too_many_fraction_digits"),
        (statement_line(",,,,,,", closing="1e3"), "invalid_amount"),
        (statement_line(",,,,,,", closing="10.001"), "too_many_fraction_digits"),
        (statement_line(",,,,,,", closing="9" * 30), "amount_out_of_range"),
        (statement_line(",,,,,,", closing=""), "missing_field"),
        (statement_line(",,,,,,", closing="+5"), "invalid_amount"),
    ],
)
def test_invalid_row_is_quarantined_with_its_reason(line: str, reason: str) -> None:
    other = statement_line(",,,,,,", statement="s-2", closing="1000.00")

    outcome, _ = submitted(csv_file(HEADER, line, other))

    assert (outcome.accepted, outcome.quarantined) == (1, 1)
    assert outcome.reasons == {reason: 1}


@pytest.mark.parametrize("examples", [60, pytest.param(2000, marks=pytest.mark.soak)])
def test_balance_is_exact_or_has_a_reason(examples: int) -> None:
    @given(
        st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,4})?|[+ ]?[0-9]*\.?|1e3|٣", fullmatch=True),
        st.sampled_from(["USD", "JPY", "KWD", "XXX"]),
    )
    @settings(max_examples=examples, deadline=None)
    def check(text: str, currency: str) -> None:
        frame = pl.DataFrame({"b": [text], "c": [currency]})

        row = frame.select(
            balance_minor("b", "c").alias("minor"),
            pl.any_horizontal(*balance_failures("b", "c").values()).alias("has_failed"),
        ).row(0, named=True)

        exponent = EXPONENTS.get(currency)
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text, re.ASCII):
            assert row == {"minor": None, "has_failed": True}
        elif exponent is None:
            assert row["minor"] is None
        else:
            exact = Decimal(text).scaleb(exponent)
            too_many = len(text.partition(".")[2]) > exponent
            is_valid = not too_many and abs(exact) <= MAX_AMOUNT_MINOR
            assert row == {"minor": int(exact) if is_valid else None, "has_failed": not is_valid}

    check()


def test_overdrawn_account_and_statement_without_entries_are_accepted() -> None:
    line = statement_line(",,,,,,", opening="-0.05", closing="-0.05")

    outcome, world = submitted(csv_file(HEADER, line))

    assert outcome.accepted == 1
    assert world.rows("bank_statements")["closing_balance_minor"].to_list() == [-5]


ENTITIES = """<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "b">
<!ENTITY c SYSTEM "file:///etc/hostname">]><Document><Stmt><Id>&a;&c;</Id></Stmt></Document>"""


FIRST_PAGE, LAST_PAGE = re.split("(?m)^(?=:20:)", MT940)[1:]
CLOSING_OF_ANOTHER_DAY = """<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">5</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-21</Dt></Dt></Bal>"""


def converted(content: str, extension: str) -> list[StatementRow]:
    return list(CONVERTERS[extension](content.encode()))


def test_lines_of_mt940_may_end_with_cr_alone() -> None:
    assert converted(MT940.replace("\n", "\r"), "sta") == converted(MT940, "sta")


def test_refusal_says_what_the_statement_lacks_and_no_name_of_a_class() -> None:
    outcome, _ = submitted(FIRST_PAGE, "a.sta")

    assert outcome.error == (
        "a.sta: statement 2026-00012 of account DE89370400440532013000 is not whole: its last page is "
        "missing, so nothing was ingested: send the file again as the bank made it."
    )


@pytest.mark.parametrize(
    ("content", "extension", "sentence"),
    [
        (FIRST_PAGE, "sta", "its last page is missing"),
        (LAST_PAGE, "sta", "its first page is missing"),
        (LAST_PAGE + FIRST_PAGE, "sta", "closes with 1247.50 and a next one that opens"),
        (re.sub("(62[FM]|60M):C261120USD", r"\1:C261120EUR", MT940), "sta", "EUR and USD"),
        (CAMT053.replace('Ccy="USD">250', 'Ccy="EUR">250'), "xml", "EUR and USD"),
        (CAMT053.replace('Ccy="USD">1000', 'Ccy="EUR">1000'), "xml", "EUR and USD"),
        (CAMT053.replace("<CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>", "<Sts><Cd>"), "xml", "neither"),
        (CAMT053.replace("<CdtDbtInd>DBIT", "<CdtDbtInd>"), "xml", "neither"),
        (CAMT053.replace(">1000.00<", ">1_000.00<"), "xml", "'1_000.00' is no amount"),
        (CAMT053.replace(">250.50<", ">-250.50<"), "xml", "'-250.50' is no amount"),
        (CAMT053.replace("</Stmt>", CLOSING_OF_ANOTHER_DAY + "</Stmt>"), "xml", "several balances"),
        (BAI2.replace("USD,2/", "USD,1/"), "bai2", "interim"),
        (BAI2.replace("USD,2/", "USD,3/"), "bai2", "interim"),
    ],
)
def test_statement_that_says_two_things_is_refused(
    content: str, extension: str, sentence: str
) -> None:
    with pytest.raises(StatementError, match=sentence):
        converted(content, extension)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (ENTITIES, "a.xml"),
        ("<Document/>", "a.xml"),
        (CAMT053[:400], "a.xml"),
        (CAMT053.replace("CLBD", "ITBD"), "a.xml"),
        (MT940.replace(":62F:", ":64:"), "a.sta"),
        (MT940.replace(":61:2611201120C", ":61:today"), "a.sta"),
        (MT940.replace(":60M:C261120USD1250,50", ":60M:C261120USD1250,51"), "a.sta"),
        ("hello", "a.mt940"),
        (BAI2.replace("49,250100", "49,250101"), "a.bai2"),
        (BAI2.replace("BANK,1,261120", "BANK,4,261120"), "a.bai2"),
        (BAI2.replace("010,100000,,,", ""), "a.bai"),
        ("01,", "a.bai2"),
        (CSV, "a.pdf"),
    ],
)
def test_file_that_is_no_statement_is_refused_with_a_sentence(content: str, name: str) -> None:
    outcome, _ = submitted(content, name)

    assert outcome.error is not None
    assert outcome.error.startswith(name)
