"""Deposit files in senders' dialects, and workbooks, counted again: agrees with the intake."""

import gzip
from typing import Any

import pytest

from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import mapping_of
from tests.factories.intake_environment import IntakeWorld
from tests.factories.workbooks import cell, number, raw_sheet, sheet_xml, workbook
from tests.services.reconciliation.test_recount import AT, breaks_of

GERMAN = {
    "delimiter": ";",
    "encoding": "cp1252",
    "columns": {"Konto": "user_id", "Betrag": "amount", "Nr": "deposit_id", "Zeit": "timestamp"},
    "decimal": ",",
    "thousands": ".",
    "affixes": ["\u20ac"],
    "date_formats": ["%d.%m.%Y %H:%M", "%d.%m.%Y"],
    "time_zone": "Europe/Berlin",
    "time_of_day": "12:00",
    "constants": {"currency": "EUR"},
}
GERMAN_ROWS = (
    "u1;1.234,50 \u20ac;d1;20.11.2026 10:00", "u2;7,00;d2;20.11.2026", "u3;1.23,50;d3;20.11.2026",
    "u4;5;d4;25.10.2026 02:30", "u5;5;d5;29.03.2026 02:30", "u6;5;d6;31.02.2026", "u7;-5;d7;20.11.2026",
    '"u8";"5,00";"d8";"20.11.2026 10:00"', "u9;0,005;d9;20.11.2026", ";5;d10;20.11.2026", "u11;5;d11",
    "u12;5;d12;2026-11-20T10:00:00", "u13;5;d13;2026-11-20T10:00:00+02:00", "u1;1.234,50;d1;20.11.2026 10:00",
    '"u14;5;d14;20.11.2026', "\u00fcml;5;d15;20.11.2026", "u16;1;d16;2026-11-20T10:00:00.5",
)  # fmt: skip
OTHERS: list[tuple[dict[str, Any], str]] = [
    (
        {"header": False, "columns": {"1": "deposit_id", "2": "user_id", "3": "amount", "4": "timestamp"},
         "minor_units": True},
        f"d1,u1,2500,{AT}\nd2,u2,25.00,{AT}\nd3,u3,1,{AT}\n,,,\nd4,u4,2500\n",
    ),
    (
        {"skip_rows": 2, "delimiter": "\t", "sign": "signed", "ignore": ["currency"]},
        (f"Statement\n\nuser_id\tamount\tdeposit_id\ttimestamp\tcurrency\n"
        f"u1\t+25.00\td1\t{AT}\tEUR\nu2\t25.00-\td2\t{AT}\t\nu3\t(1)\td3\t{AT}\t\nu4\t(1\td4\t{AT}\t\n"),
    ),
    (
        {"debit_credit": {"amount": {"credit": "Haben", "debit": "Soll"}}},
        (f"user_id,Haben,Soll,deposit_id,timestamp\nu1,5.00,,d1,{AT}\nu2,,5.00,d2,{AT}\n"
        f"u3,5.00,0.00,d3,{AT}\nu4,5.00,5.00,d4,{AT}\nu5,,,d5,{AT}\n"),
    ),
    (
        {"direction": {"column": "S/H", "credit": ["H"], "debit": ["S"]}, "sign": "ignored"},
        f"user_id,amount,S/H,deposit_id,timestamp\nu1,-5.00,H,d1,{AT}\nu2,5,S,d2,{AT}\nu3,5,x,d3,{AT}\n",
    ),
    (
        {"sign": "negative", "values": {"currency": {"Euro": "EUR"}}},
        f"user_id,amount,currency,deposit_id,timestamp\nu1,-5.00,Euro,d1,{AT}\nu2,5,EUR,d2,{AT}\n",
    ),
    (
        {"constants": {"currency": "EUR"}, "time_zone": "Europe/Berlin", "repeated_hour": "later"},
        ("user_id,amount,currency,deposit_id,timestamp\nu1,5,USD,d1,2026-10-25T02:30:00\n"
        "u2,5,EUR,d2,2026-10-25T02:30:00.250\nu3,5,,d3,2026-11-20\nu4,5,,d4,2026-03-29 02:30\n"),
    ),
]  # fmt: skip


def world_of(definition: dict[str, Any]) -> IntakeWorld:
    world = IntakeWorld()
    world.intake_ledger.mappings.add(
        "default", Kind("deposits"), mapping_of(definition), set_by="ann", why="their bank"
    )
    return world


@pytest.mark.parametrize("packed", [False, True])
def test_recount_agrees_on_a_german_csv(*, packed: bool) -> None:
    world = world_of(GERMAN)
    text = "\r\n".join(["Konto;Betrag;Nr;Zeit", *GERMAN_ROWS, ""])
    # A byte that the encoding does not have.
    content = text.encode("cp1252") + b"u17;5;d\x8117;20.11.2026\r\n"
    name = "a.csv.gz" if packed else "a.csv"

    outcome = world.submit("deposits", gzip.compress(content) if packed else content, name=name)

    assert (outcome.accepted, outcome.duplicate) == (6, 1)
    assert breaks_of(world) == []


@pytest.mark.parametrize(("definition", "content"), OTHERS)
def test_recount_agrees_on_other_dialects(definition: dict[str, Any], content: str) -> None:
    world = world_of(definition)

    outcome = world.submit("deposits", content)

    assert outcome.error is None
    assert outcome.accepted > 0
    assert breaks_of(world) == []


HEADER = ["user_id", "amount", "deposit_id", "timestamp", "currency"]


@pytest.mark.parametrize(
    "definition", [{}, {"decimal": ",", "thousands": ".", "time_of_day": "12:00"}]
)
def test_recount_agrees_on_workbooks(definition: dict[str, Any]) -> None:
    world = world_of(definition) if definition else IntakeWorld()
    names = "".join(cell(f"{letter}1", name) for letter, name in zip("ABCDE", HEADER, strict=True))
    rows = [
        f"{cell('A2', 'u1')}{number('B2', '25.100000000000001')}{cell('C2', 'd1')}{cell('D2', AT)}",
        f"{cell('A3', 'u2')}{number('B3', '5')}{cell('C3', 'd2')}{number('D3', '46100', style=1)}",
        f"{number('A4', '12')}{number('B4', '5')}{cell('C4', 'd3')}{number('D4', '46100.25', style=2)}",
        f"{cell('A5', 'u4')}{number('B5', '5')}{cell('C5', 'd4')}{cell('D5', AT)}{cell('E5', '#N/A')}",
        "",
        f"{cell('A7', 'u5')}{number('B7', '9007199254740993')}{cell('C7', 'd5')}{cell('D7', AT)}",
        f"{cell('A8', 'u6')}{cell('B8', '1.234')}{cell('C8', 'd6')}{cell('D8', AT)}{cell('E8', 'EUR')}",
    ]
    lines = "".join(f"<row r='{at}'>{cells}</row>" for at, cells in enumerate(rows, start=2))
    book = workbook(
        {"S": raw_sheet(f"<row r='1'>{names}</row>{lines}"), "Old": sheet_xml([HEADER])},
        hidden=["Old"],
    )

    outcome = world.submit("deposits", gzip.compress(book), name="a.xlsx.gz")

    assert outcome.read == 6
    assert outcome.accepted >= 3
    assert breaks_of(world) == []


def test_changed_credit_of_a_mapped_file_is_a_break() -> None:
    world = world_of(GERMAN)
    world.submit("deposits", "Konto;Betrag;Nr;Zeit\nu1;5,00;d1;20.11.2026\n")
    (event,) = world.deposit_ledger.events["default", "d1"]
    event.content = (event.content[0], event.content[1], 501, event.content[3])

    ((check, currency, _, a, b),) = breaks_of(world)

    assert (check, currency, a, b) == ("raw_deposits_equal_deposits_credited", "EUR", 500, 501)
