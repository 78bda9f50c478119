"""What the lake knows fills what a row lacks, and the file says so; a value of the row stays."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.factories.chargeback_files import FileDesk
from tests.factories.disputed_files import DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file

PAYMENTS = (
    "transaction_id,order_id,user_id,amount,currency,status,created_at,card_network,card_number,"
    "merchant_id"
)
PAID = "t1,o1,u1,100.00,USD,completed,2026-11-01T10:00:00Z,visa,411111******1234,m-9"
HEADER = (
    "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network,card_number,"
    "merchant_id,merchant_name,transaction_date,transaction_amount,arn,transaction_auth_code"
)
BARE = f"{DISPUTED},,,,,,,"
KNOWN = (
    *("card_bin", "card_last4", "merchant_id", "transaction_date"),
    *("transaction_amount", "transaction_currency"),
)


@pytest.fixture
def desk(world: IntakeWorld, tmp_path: Path) -> FileDesk:
    return FileDesk(world, tmp_path)


def test_transaction_fills_what_the_row_lacks_and_the_file_names_it(desk: FileDesk) -> None:
    desk.submit(csv_file(PAYMENTS, PAID), "transactions")
    desk.submit(csv_file(HEADER, BARE))

    (line,) = desk.lines()

    assert [line[name] for name in KNOWN] == [
        *("411111", "1234", "m-9", "2026-11-01"),
        *("100.00", "USD"),
    ]
    assert line["filled_columns"] == (
        "merchant_id;card_bin;card_last4;transaction_date;transaction_amount;transaction_currency"
    )
    assert desk.controls()[0]["filled"] == 1


def test_value_of_the_row_is_never_overridden(desk: FileDesk) -> None:
    desk.submit(csv_file(PAYMENTS, PAID), "transactions")
    own = f"{DISPUTED},************9999,m-1,Shop,2026-10-31,90.00,arn-1,AUTH1"
    desk.submit(csv_file(HEADER, own))

    (line,) = desk.lines()

    # The other card's BIN is not this card's.
    assert [line[name] for name in KNOWN] == ["", "9999", "m-1", "2026-10-31", "90.00", "USD"]
    assert line["filled_columns"] == ""


def test_other_steps_and_disputes_of_the_transaction_fill_what_it_does_not_say(
    desk: FileDesk,
) -> None:
    desk.submit(csv_file(HEADER, f"{DISPUTED},,,Shop,,,arn-1,AUTH1"))
    desk.submit(csv_file(f"{HEADER},status", f"{BARE},won"))
    desk.submit(csv_file(HEADER, BARE.replace("c1", "c2")))

    lines = desk.lines()

    assert [line["case_number"] for line in lines] == ["c1", "c1", "c2"]
    for line in lines[1:]:
        assert (line["arn"], line["merchant_name"], line["transaction_auth_code"]) == (
            *("arn-1", "Shop"),
            "AUTH1",
        )
        assert line["filled_columns"] == "arn;merchant_name;transaction_auth_code"


def test_what_the_lake_learns_later_changes_no_file_that_is_made(desk: FileDesk) -> None:
    desk.submit(csv_file(HEADER, BARE))
    made = dict(desk.store.contents)
    desk.submit(csv_file(PAYMENTS, PAID), "transactions")

    desk.deliver("default-2026-11-20-001")

    assert desk.store.contents == made
    assert desk.lines()[0]["filled_columns"] == ""


def test_amount_in_another_currency_than_the_rows_is_not_filled(desk: FileDesk) -> None:
    header = f"{HEADER},transaction_currency"
    desk.submit(csv_file(PAYMENTS, PAID), "transactions")
    desk.submit(csv_file(header, f"{BARE},EUR"))

    (line,) = desk.lines()

    assert (line["transaction_amount"], line["transaction_currency"]) == ("", "EUR")


def test_other_program_fills_nothing(desk: FileDesk) -> None:
    desk.world.submit("transactions", csv_file(PAYMENTS, PAID), program="other")
    desk.submit(csv_file(HEADER, BARE))

    assert desk.lines()[0]["filled_columns"] == ""


def test_batch_of_layout_1_is_made_again_as_layout_1(desk: FileDesk) -> None:
    desk.submit(csv_file(PAYMENTS, PAID), "transactions")
    (intake_id,) = desk.claim_together(csv_file(HEADER, BARE))
    desk.ingest(intake_id)
    batches = desk.world.intake_ledger.batches
    batches["default-2026-11-20-001"] = replace(batches["default-2026-11-20-001"], layout_version=1)

    for _ in range(2):
        desk.deliver("default-2026-11-20-001")

    (record,) = desk.ledger.records.values()
    (line,) = desk.lines()
    assert record.file_name.endswith("_v1.csv")
    assert "filled_columns" not in line
    assert line["card_bin"] == ""
    (control,) = desk.controls()
    assert (control["version"], "filled" in control) == (1, False)
