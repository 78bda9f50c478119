"""What `cardops importers check` says of a file before anybody takes it in."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cardops.contracts.judging.files import FileCircumstances
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import Arrival, FileStatus, IntakeFile, Kind
from cardops.rules.mappings.mapping import FileMapping, mapping_of
from cardops.services.intake.checking import FileCheck, check_file
from tests.factories import dispute_reports as reports
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import csv_file

PROFILE = KINDS[Kind("chargebacks")]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIXTURES = Path(__file__).parents[2] / "fixtures" / "dispute_reports"


def checked(path: Path, mapping: FileMapping | None = None) -> FileCheck:
    arrival = Arrival(PROFILE.kind, "default", "", path.name, "", "", path.stat().st_size)
    unclaimed = IntakeFile(0, arrival, NOW.date(), FileStatus.CLAIMED)
    return check_file(path, PROFILE, FileCircumstances(unclaimed, "USD", NOW, mapping=mapping))


def written(folder: Path, content: str) -> Path:
    path = folder / "file.csv"
    path.write_text(content)
    return path


def test_report_is_named_with_what_it_would_become() -> None:
    found = checked(FIXTURES / "jpmorgan-details.csv")

    assert (found.importer, found.outcome.error) == ("jpmorgan-details", None)
    assert (found.outcome.read, found.outcome.accepted, found.outcome.duplicate) == (7, 4, 1)
    assert found.outcome.reasons == {"unroutable_network": 2}
    assert "Ticket Number" in found.unknown_columns
    assert found.rows[0]["case_number"] == "81000002"
    assert found.unknown_values == []


def test_words_that_are_not_understood_are_listed_with_counts(tmp_path: Path) -> None:
    rows = [
        reports.a_jpmorgan_row(Category="NEWCODE", Dispute_Transaction_Sequence_Number="1"),
        reports.a_jpmorgan_row(Category="NEWCODE", Dispute_Transaction_Sequence_Number="2"),
        reports.a_jpmorgan_row(
            Category="RECD", Dispute_Type_Code="ZZ", Dispute_Transaction_Sequence_Number="3"
        ),
        reports.a_jpmorgan_row(
            Category="RECD",
            Payment_Brand_Dispute_Reason_Code="9999",
            Dispute_Transaction_Sequence_Number="4",
        ),
        reports.a_jpmorgan_row(
            Category="RECD",
            Payment_Method_Code="QQ",
            Dispute_Transaction_Sequence_Number="5",
        ),
    ]
    report = reports.report(reports.JPMORGAN_DETAILS, *rows)

    found = checked(written(tmp_path, f"BEGIN,EntityId=1\n{report}\nEND,EntityId=1\n"))

    assert [(value.column, value.value, value.rows) for value in found.unknown_values] == [
        ("stage", "ZZ", 1),
        ("status", "NEWCODE", 2),
        ("card_network", "QQ", 1),
        ("reason_code", "9999", 1),
    ]


def test_file_in_the_contracts_own_names_is_checked(tmp_path: Path) -> None:
    found = checked(written(tmp_path, csv_file(CHARGEBACKS, DISPUTED, DISPUTED)))

    assert (found.importer, found.title) == (None, None)
    assert (found.outcome.accepted, found.outcome.duplicate) == (1, 1)


def test_file_of_a_mapped_program_is_checked(tmp_path: Path) -> None:
    mapping = mapping_of({"columns": {"Txn": "transaction_id", "Sum": "chargeback_amount"}})
    header = "Txn,Sum,dispute_date,currency,case_number,card_network"

    found = checked(written(tmp_path, csv_file(header, DISPUTED)), mapping)

    assert (found.importer, found.outcome.accepted) == (None, 1)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_file_that_would_be_refused_says_why(tmp_path: Path, content: str) -> None:
    found = checked(written(tmp_path, content))

    assert found.outcome.error is not None
    assert "nothing was ingested" in found.outcome.error


def test_word_that_costs_its_row_nothing_is_listed_too(tmp_path: Path) -> None:
    case = {
        "caseId": "9001",
        "dayIssuedByBank": "2026-11-10",
        "vantivCnpTxnId": "v1",
        "cycle": "FIRST_CHARGEBACK",
        "cardType": "VI",
        "chargebackAmount": "2500",
        "chargebackCurrencyType": "USD",
        "currentQueue": "Somewhere Else",
    }
    known = case | {"caseId": "9002", "currentQueue": "MERCHANT"}
    content = reports.report(reports.WORLDPAY, case, known, case | {"caseId": "9003"})

    found = checked(written(tmp_path, content))

    assert (found.outcome.accepted, found.outcome.reasons) == (3, {})
    (value,) = found.unknown_values
    assert (value.column, value.value, value.rows) == ("currentqueue", "Somewhere Else", 2)
