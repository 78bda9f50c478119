"""Mappings proposed for unknown files: what is certain is proposed, the rest is asked."""

import time
from pathlib import Path
from typing import Any

import pytest

from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import mapping_of
from cardops.services.mappings.proposing import propose_mapping
from cardops.services.mappings.trying import TrialCircumstances, try_mapping
from tests.factories.bank_statements import HEADER, LINES
from tests.factories.intake import AN_INSTANT
from tests.factories.intake_environment import csv_file
from tests.factories.workbooks import sheet_xml, workbook

DEPOSITS = KINDS[Kind("deposits")]
JUDGED_BY = TrialCircumstances("USD", AN_INSTANT.replace(year=2027))


def proposed(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> tuple[Any, str]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = propose_mapping(path, DEPOSITS.contract)
    assert found is not None
    mapping_of(found.definition)
    return found.definition, "\n".join(found.questions)


def test_german_export_is_proposed_whole_and_its_rows_are_valid(tmp_path: Path) -> None:
    text = (
        "Konto 4711\n\nKundennummer;Betrag;Währung;Beleg;Buchungsdatum;Text\n"
        "u1;1.234,50 €;EUR;d1;20.11.2026 10:00;Müller\n"
        "u2;12,00 €;EUR;d2;01.11.2026 09:30;x\n"
    )

    definition, questions = proposed(tmp_path, text.encode("cp1252"))

    assert definition == {
        "delimiter": ";",
        "encoding": "cp1252",
        "skip_rows": 2,
        "columns": {
            "Kundennummer": "user_id",
            "Betrag": "amount",
            "Währung": "currency",
            "Beleg": "deposit_id",
            "Buchungsdatum": "timestamp",
        },
        "affixes": ["€"],
        "decimal": ",",
        "thousands": ".",
        "date_formats": ["%d.%m.%Y %H:%M"],
    }
    assert "time_zone" in questions
    assert "accents" in questions
    trial = try_mapping(tmp_path / "a.csv", DEPOSITS, mapping_of(definition), JUDGED_BY)
    assert (trial.error, trial.accepted, len(trial.rows)) == (None, 2, 2)


@pytest.mark.parametrize(
    ("row", "left_out", "question"),
    [
        ("u1;1.234;d1;2026-11-20T10:00:00Z", "decimal", "'1.234' may be read in two ways"),
        ("u1;25,00;d1;03/04/2026 10:00", "date_formats", "is it %m/%d/%Y %H:%M or %d/%m/%Y %H:%M"),
        ("u1;-25,00;d1;2026-11-20T10:00:00Z", "sign", "which `sign`"),
        ("u1;25,00;d1;20.11.2026", "time_of_day", "which `time_of_day`"),
        ("u1;abc;d1;2026-11-20T10:00:00Z", "decimal", "in no known form"),
    ],
)
def test_what_may_mean_two_things_is_asked_and_left_out(
    tmp_path: Path, row: str, left_out: str, question: str
) -> None:
    definition, questions = proposed(tmp_path, f"user_id;amount;deposit_id;timestamp\n{row}\n")

    assert left_out not in definition
    assert question in questions


def test_row_that_settles_a_date_settles_the_format(tmp_path: Path) -> None:
    rows = "u1;1;d1;03/04/2026 10:00\nu1;1;d2;03/25/2026 10:00\n"

    definition, _ = proposed(tmp_path, f"user_id;amount;deposit_id;timestamp\n{rows}")

    assert definition["date_formats"] == ["%m/%d/%Y %H:%M"]


def test_file_without_a_header_is_named_by_position(tmp_path: Path) -> None:
    definition, questions = proposed(tmp_path, "d1|20261120|u1|25,00\nd2|20261121|u1|26,00\n")

    assert definition == {"delimiter": "|", "header": False}
    assert "which is which" in questions
    assert "user_id, amount, deposit_id, timestamp" in questions


def test_own_names_are_found_however_their_words_are_parted(tmp_path: Path) -> None:
    text = "User Id;Amount;DEPOSIT-ID;Time Stamp\nu1;12,50;d1;2026-11-20T10:00:00Z\n"

    definition, _ = proposed(tmp_path, text)

    assert definition["columns"] == {
        "User Id": "user_id",
        "DEPOSIT-ID": "deposit_id",
        "Time Stamp": "timestamp",
    }


def test_workbook_gets_a_proposal_too(tmp_path: Path) -> None:
    book = workbook(
        {"A": sheet_xml([["Kunde", "Betrag", "Beleg", "Datum"], ["u1", 25.5, "d1", "x"]])}
    )

    definition, questions = proposed(tmp_path, book, "a.xlsx")

    assert definition["columns"]["Betrag"] == "amount"
    assert "'x' of Datum is in no known form" in questions


@pytest.mark.parametrize(
    ("amounts", "question"),
    [
        (("25,00 CR", "25,00 DR"), "CR and DR"),
        (("25,00 €", "25,00 $"), "$ and €"),
        (("25,00 %", "24,00 %"), "%"),
    ],
)
def test_signs_that_may_be_no_currency_symbol_are_asked_about(
    tmp_path: Path, amounts: tuple[str, str], question: str
) -> None:
    lines = (f"u1;{amount};d1;20.11.2026 10:00" for amount in amounts)
    text = "\n".join(["user_id;amount;deposit_id;timestamp", *lines])

    definition, questions = proposed(tmp_path, text)

    assert "affixes" not in definition
    assert question in questions


def test_hostile_amount_takes_linear_time(tmp_path: Path) -> None:
    """16 times the text takes at most 100 times as long; quadratic time would be 256 times."""
    spent = []
    for count in (1_250, 20_000):
        amount = f"1{' ' * count}x €"
        text = f"user_id;amount;deposit_id;timestamp\nu1;{amount};d1;2026-11-20\n"
        begun = time.process_time()
        definition, _ = proposed(tmp_path, text)
        spent.append(time.process_time() - begun)
        assert "affixes" not in definition

    assert spent[1] < 100 * spent[0]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst"])
def test_damaged_compression_is_refused_and_not_proposed_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"neither of them")

    with pytest.raises(FileRefusedError, match="compression"):
        propose_mapping(path, DEPOSITS.contract)


def test_statement_that_does_not_add_up_is_said_where_all_rows_were_tried(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_file(HEADER, LINES[0]))
    profile = KINDS[Kind("bank_statements")]

    assert "does not add up" in str(try_mapping(path, profile, None, JUDGED_BY).error)
    assert try_mapping(path, profile, None, JUDGED_BY, max_rows=1).error is None
