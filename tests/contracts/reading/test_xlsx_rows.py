"""Excel workbooks: cells as exact text, one sheet, and one clear sentence for every hostile one."""

import gzip
import io
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import pytest

from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.reading import workbooks
from cardops.contracts.reading.mapped import MappedLayout
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError, SourceFile
from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import mapping_of
from tests.factories.intake_environment import IntakeWorld
from tests.factories.workbooks import cell, number, raw_sheet, sheet_xml, workbook, zipped

DEPOSITS = KINDS[Kind("deposits")].contract
HEADER = ["user_id", "amount", "deposit_id", "timestamp", "currency"]
ROW = ["u1", "25.00", "d1", "2026-11-20T10:00:00Z", "EUR"]
GOOD = workbook({"Sheet1": sheet_xml([HEADER, ROW])})


def rows_of(
    content: bytes, definition: dict[str, Any] | None = None, *, name: str = "a.xlsx"
) -> list[dict[str, Any]]:
    mapped = None if definition is None else MappedLayout(DEPOSITS, mapping_of(definition), "USD")
    rows = InputRows(SourceFile(name, io.BytesIO(content)), DEPOSITS, mapped)
    return [row for chunk in rows.chunks() for row in chunk.to_dicts()]


def refusal(content: bytes, definition: dict[str, Any] | None = None) -> str:
    with pytest.raises(FileRefusedError) as refused:
        rows_of(content, definition)
    assert str(refused.value).startswith("a.xlsx ")
    assert str(refused.value).endswith(".")
    return str(refused.value)


def test_cells_are_read_as_text_without_decimal_noise() -> None:
    data = (
        "".join(f"<row r='1'>{cells}</row>" for cells in ["".join(
            cell(f"{letter}1", name) for letter, name in zip("ABCDE", HEADER, strict=True))])
        + f"<row r='2'>{number('A2', '12')}{number('B2', '25.100000000000001')}{cell('C2', '0012')}"
        f"{number('D2', '46346.416678240741', style=2)}{cell('E2', 'EUR')}</row>"
        f"<row r='3'></row>"
        f"<row r='4'>{number('A4', '9007199254740993')}{number('B4', '1E2')}{cell('C4', 'd2')}"
        f"{number('D4', '46346', style=1)}{cell('E4', '#N/A')}</row>"
    )  # fmt: skip

    first, second = rows_of(workbook({"Sheet1": raw_sheet(data)}))

    assert [first[name] for name in HEADER] == ["12", "25.1", "0012", "2026-11-20T10:00:01", "EUR"]
    assert (first["row_number"], second["row_number"]) == (1, 2)
    # A whole number above 2^53 may have been another one; an error is no currency.
    assert second["user_id"].startswith("?")
    assert [second[name] for name in HEADER[1:]] == ["100", "d2", "2026-11-20T00:00:00", "#N/A"]
    assert first["raw"] == (
        '{"user_id": "12", "amount": "25.1", "deposit_id": "0012", '
        '"timestamp": "2026-11-20T10:00:01", "currency": "EUR"}'
    )


def test_numbers_and_text_of_a_mapped_workbook_are_exact() -> None:
    definition = {
        "columns": {"Betrag": "amount"},
        "decimal": ",",
        "thousands": ".",
        "skip_rows": 2,
        "date_formats": ["%d.%m.%Y %H:%M"],
        "time_zone": "Europe/Berlin",
    }
    header = ["user_id", "Betrag", "deposit_id", "timestamp", "currency"]
    sheet = sheet_xml(
        [
            ["Konto 4711"],
            ["Stand: heute"],
            header,
            ["u1", 1.234, "d1", "20.11.2026 10:00", "EUR"],
            ["u1", "1.234", "d2", "20.11.2026 10:00", "EUR"],
            ["u1", 1234.5, "d3", 46346.5, "EUR"],
        ]
    )

    found = rows_of(workbook({"Daten": sheet}), definition)

    assert [row["amount"] for row in found] == ["1.234", "1234", "1234.5"]
    assert [row["timestamp"] for row in found][:2] == ["2026-11-20T09:00:00Z"] * 2


@pytest.mark.parametrize("style", [1, 2])
def test_midnight_is_what_the_contract_wants(style: int) -> None:
    """Excel has one number for a date and for its midnight, whatever the cell shows."""
    midnight = "46346"
    deposits = "".join(
        cell(f"{letter}1", name) for letter, name in zip("ABCD", HEADER, strict=False)
    )
    row = f"{cell('A2', 'u1')}{cell('B2', '5.00')}{cell('C2', 'd1')}"
    world = IntakeWorld()
    book = workbook({"S": raw_sheet(
        f"<row r='1'>{deposits}</row><row r='2'>{row}{number('D2', midnight, style=style)}</row>"
    )})  # fmt: skip
    outcome = world.submit("deposits", book, name="a.xlsx")
    assert (outcome.accepted, outcome.flags) == (1, {"naive_timestamp": 1})
    (event,) = world.deposit_ledger.events["default", "d1"]
    assert event.content[3] == datetime(2026, 11, 20, tzinfo=UTC)

    names = ("transaction_id", "chargeback_amount", "dispute_date", "currency", "card_network")
    header = "".join(cell(f"{letter}1", name) for letter, name in zip("ABCDE", names, strict=True))
    row = f"{cell('A2', 't1')}{cell('B2', '5.00')}{cell('D2', 'USD')}{cell('E2', 'visa')}"
    book = workbook({"S": raw_sheet(
        f"<row r='1'>{header}</row><row r='2'>{row}{number('C2', midnight, style=style)}</row>"
    )})  # fmt: skip
    assert world.submit("chargebacks", book, name="b.xlsx").accepted == 1
    assert world.rows("chargebacks")["dispute_date"].to_list() == [date(2026, 11, 20)]


def test_midnight_of_a_mapping_is_its_own_time_of_day() -> None:
    sheet = sheet_xml([HEADER, ROW]).replace("2026-11-20T10:00:00Z", "")
    data = number("D3", "46346", style=1)
    book = workbook({"S": sheet.replace("</sheetData>", f"<row r='3'>{data}</row></sheetData>")})

    found = rows_of(book, {"time_of_day": "12:00", "time_zone": "Europe/Berlin"})

    assert found[-1]["timestamp"] == "2026-11-20T11:00:00Z"


def test_released_row_of_a_mapped_workbook_is_read_as_before() -> None:
    world = IntakeWorld()
    mapping = mapping_of({"decimal": ",", "thousands": "."})
    world.intake_ledger.mappings.add(
        "default", Kind("deposits"), mapping, set_by="ann", why="their Excel"
    )
    sheet = sheet_xml([HEADER, ["u 1", 1.25, "d1", "2026-11-20T10:00:00Z", "EUR"]])

    outcome = world.submit("deposits", workbook({"S": sheet}), name="a.xlsx")

    assert outcome.reasons == {"invalid_id": 1}
    (row,) = world.quarantined()
    again = world.submit("deposits", row["raw"].replace("u 1", "u1") + "\n", name="b.ndjson")
    assert (again.accepted, again.totals_minor) == (1, {"EUR": 125})


def test_workbook_is_read_compressed_and_from_its_only_filled_visible_sheet() -> None:
    filled, empty = sheet_xml([HEADER, ROW]), sheet_xml([])
    book = workbook({"Cover": empty, "Data": filled, "Lists": filled}, hidden=["Lists"])

    assert len(rows_of(book)) == 1
    assert rows_of(gzip.compress(book), name="a.xlsx.gz") == rows_of(GOOD)
    assert rows_of(book, {"sheet": "Lists", "delimiter": ";"}) == rows_of(GOOD)


def test_dispute_report_in_a_workbook_is_imported() -> None:
    contract = KINDS[Kind("chargebacks")].contract
    values = {
        "caseid": "c1",
        "vantivcnptxnid": "v1",
        "chargebackamount": 2500,
        "chargebackcurrencytype": "USD",
        "cycle": "FIRST_CHARGEBACK",
        "merchanttxnid": "t1",
        "dayissuedbybank": "2026-11-20",
    }
    importer = next(one for one in contract.importers if one.name == "worldpay")
    used = {root for value in importer.columns.values() for root in value.meta.root_names()}
    every = sorted(used | importer.header)
    sheet = sheet_xml([every, [values.get(name) for name in every]])
    content = workbook({"Cases": sheet})

    rows = InputRows(SourceFile("a.xlsx", io.BytesIO(content)), contract)

    (row,) = (row for chunk in rows.chunks() for row in chunk.to_dicts())
    assert rows.importer is not None
    assert rows.importer.name == "worldpay"
    assert (row["case_number"], row["transaction_id"]) == ("c1", "t1")
    assert (row["chargeback_amount"], row["stage"]) == ("25.00", "chargeback")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04 no archive", "damaged"),
        (GOOD[: len(GOOD) // 2], "cut short"),
        (b"user_id,amount\n", "no Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "protected by a password"),
        (zipped({"mimetype": "text"}), "no Excel workbook"),
        (workbook({"A": sheet_xml([])}), "no rows in a visible sheet"),
        (workbook({"A": sheet_xml([HEADER, ROW])}, hidden=["A"]), "no rows in a visible sheet"),
        (workbook({"A": sheet_xml([HEADER]), "B": sheet_xml([HEADER])}), "several filled sheets ('A', 'B')"),
        (workbook({"A": sheet_xml([HEADER[1:], ROW])}), "no column user_id"),
        (workbook({"A": sheet_xml([[*HEADER, "amount"], ROW])}), "column amount twice"),
        (workbook({"A": "<worksheet><sheetData><row r='1'><c r='A1'><v>"}), "damaged"),
        (
            workbook({"A": sheet_xml([HEADER, ROW, ROW], after='<mergeCells count="1"><mergeCell ref="E2:E3"/></mergeCells>')}),
            "merged cells down to line 3",
        ),
        (workbook({"A": raw_sheet(f"<row r='1'>{cell('A1', 'x')}</row><row r='1048576'>{cell('XFD1048576', 'x')}</row>")}), "too large"),
        (workbook({"A": raw_sheet(f"<row r='1'>{cell('A1', 'x')}</row><row><c><v>1</v></c></row>")}), "damaged"),
    ],
)  # fmt: skip
def test_hostile_workbook_is_refused_in_one_sentence(content: bytes, sentence: str) -> None:
    assert sentence in refusal(content)


def test_sheet_outside_its_folder_is_refused_before_memory_is_taken_for_it() -> None:
    far = raw_sheet(f"<row r='1'>{cell('A1', 'x')}</row><row r='9000'>{cell('ZZ9000', 'x')}</row>")
    with zipfile.ZipFile(io.BytesIO(workbook({"A": far}))) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    elsewhere = {
        name.replace("worksheets/", "other/"): xml.replace("worksheets/", "other/")
        for name, xml in parts.items()
    }

    assert "damaged" in refusal(zipped(elsewhere))


def test_zip_bomb_is_refused_by_what_it_unpacks_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_WORKBOOK_BYTES", 100_000)
    bomb = workbook({"A": sheet_xml([HEADER, [" " * 1_000_000]])})
    assert len(bomb) < 10_000
    # Its sizes are lies: only unpacking it shows them.
    lying = bomb.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))

    assert "too large" in refusal(bomb)
    assert "so nothing was ingested" in refusal(lying)


def test_named_sheet_that_is_missing_is_named() -> None:
    assert "no sheet 'Umsatz'" in refusal(GOOD, {"sheet": "Umsatz"})
