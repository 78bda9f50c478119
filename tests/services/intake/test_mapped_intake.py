"""Mapped files through the intake: counted, repeated and released with the version of their claim."""

import gzip
from datetime import UTC, datetime

import pytest

from cardops.rules.intake.files import FileStatus, Kind
from cardops.rules.mappings.mapping import FileMapping, mapping_of
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.waiting_rows import release_rows
from tests.factories.bank_statements import CAMT053, MT940
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.clock import FakeClock

DEPOSITS, CHARGEBACKS = Kind("deposits"), Kind("chargebacks")
STATEMENTS = Kind("bank_statements")
GERMAN = mapping_of(
    {
        "delimiter": ";",
        "encoding": "cp1252",
        "skip_rows": 1,
        "columns": {"Käufer": "user_id", "Betrag": "amount", "Beleg": "deposit_id", "Tag": "timestamp"},
        "constants": {"currency": "EUR"},
        "decimal": ",",
        "thousands": ".",
        "date_formats": ["%d.%m.%Y"],
        "time_of_day": "12:00",
        "time_zone": "Europe/Berlin",
    }
)  # fmt: skip
FILE = csv_file(
    "Umsätze",
    "Käufer;Betrag;Beleg;Tag",
    "u1;1.234,50;d1;20.11.2026",
    "u1;1.234,50;d1;20.11.2026",
    "u2;12.34;d2;20.11.2026",
    "ü;5,00;d3;20.11.2026",
).encode("cp1252")


@pytest.fixture
def world() -> IntakeWorld:
    world = IntakeWorld()
    world.intake_ledger.mappings.add("default", DEPOSITS, GERMAN, set_by="ann", why="bank A")
    return world


def test_mapped_file_credits_exact_money_and_counts_every_row(world: IntakeWorld) -> None:
    outcome = world.submit("deposits", FILE)

    assert (outcome.read, outcome.accepted, outcome.duplicate, outcome.quarantined) == (4, 1, 1, 2)
    assert outcome.reasons == {"invalid_amount": 1, "invalid_id": 1}
    assert outcome.totals_minor == {"EUR": 123450}
    assert [row["raw"] for row in world.quarantined()] == [
        "u2;12.34;d2;20.11.2026",
        "ü;5,00;d3;20.11.2026",
    ]


def test_repeat_is_judged_with_the_mapping_of_the_claim(world: IntakeWorld) -> None:
    first = world.ingest("deposits", FILE)
    world.intake_ledger.mappings.add(
        "default", DEPOSITS, FileMapping(delimiter="|"), set_by="ann", why="bank A changed"
    )

    again = ingest_file(first.intake_file.intake_id, world.ports)

    assert again.outcome.error is None
    assert again.outcome.duplicate + again.outcome.accepted == 2
    assert again.outcome.reasons == first.outcome.reasons


def test_released_rows_are_read_with_the_mapping_of_their_file(world: IntakeWorld) -> None:
    first = world.ingest("deposits", FILE)
    world.intake_ledger.mappings.add(
        "default", DEPOSITS, FileMapping(delimiter="|"), set_by="ann", why="bank A changed"
    )
    key = release_rows(
        first.intake_file, [3, 4], raw_store=world.raw_store, failed_store=world.failed_store
    )
    assert key is not None

    outcome = ingest_file(world.claim(key), world.ports).outcome

    assert outcome.error is None
    assert outcome.reasons == {"invalid_amount": 1, "invalid_id": 1}


def test_waiting_row_of_a_mapped_file_is_taken_up_when_its_transaction_arrives() -> None:
    world = IntakeWorld()
    mapping = mapping_of(
        {
            "delimiter": ";",
            "decimal": ",",
            "columns": {"Vorgang": "transaction_id", "Summe": "chargeback_amount", "Am": "dispute_date"},
            "date_formats": ["%d.%m.%Y"],
            "sign": "negative",
        }
    )  # fmt: skip
    world.intake_ledger.mappings.add("default", CHARGEBACKS, mapping, set_by="ann", why="processor")
    disputes = world.ingest("chargebacks", "Vorgang;Summe;Am\nt1;-12,50;20.11.2026\n")
    assert disputes.outcome.reasons == {"orphaned_reference": 1}

    arrived = world.ingest(
        "transactions",
        "transaction_id,order_id,amount,currency,status,created_at,card_network,payment_method,"
        "user_id\nt1,o1,12.50,EUR,completed,2026-11-01T00:00:00Z,visa,card,u1\n",
    )

    (key,) = arrived.released
    taken_up = ingest_file(world.claim(key), world.ports).outcome
    assert (taken_up.accepted, taken_up.error) == (1, None)
    assert world.rows("chargebacks")["dispute_amount_minor"].to_list() == [1250]


def test_refused_file_is_ingested_after_its_mapping_was_set() -> None:
    world = IntakeWorld()
    refused = world.ingest("deposits", FILE)
    assert refused.outcome.error is not None
    world.intake_ledger.mappings.add("default", DEPOSITS, GERMAN, set_by="ann", why="bank A")

    world.intake_ledger.restart(refused.intake_file.intake_id)
    outcome = ingest_file(refused.intake_file.intake_id, world.ports).outcome

    assert (outcome.accepted, outcome.error) == (1, None)
    entry = world.intake_ledger.find(refused.intake_file.intake_id)
    assert entry.status is FileStatus.APPLIED


def test_strict_file_of_a_mapped_kind_is_refused_with_what_is_missing(world: IntakeWorld) -> None:
    strict = csv_file(
        "user_id,amount,deposit_id,timestamp", "u1,5.00,d1,2026-11-20T00:00:00Z", "u1,6.00,d2,x"
    )

    outcome = world.submit("deposits", strict)

    assert outcome.error is not None
    assert "'Betrag' (read as amount)" in outcome.error
    assert world.submit("deposits", strict, program="default", name="b.csv").accepted == 0


def test_rows_without_header_are_released_also_after_a_malformed_one() -> None:
    world = IntakeWorld()
    columns = {"1": "user_id", "2": "amount", "3": "deposit_id", "4": "timestamp"}
    mapping = mapping_of({"header": False, "delimiter": "\t", "columns": columns})
    world.intake_ledger.mappings.add("default", DEPOSITS, mapping, set_by="ann", why="bank A")
    lines = ("u1\t5\td1\t2026-11-20T10:00:00Z", "short\trow", "u2\tx\td2\t2026-11-20T10:00:00Z")
    first = world.ingest("deposits", csv_file(*lines))
    key = release_rows(
        first.intake_file, [2, 3], raw_store=world.raw_store, failed_store=world.failed_store
    )
    assert key is not None

    outcome = ingest_file(world.claim(key), world.ports).outcome

    assert (outcome.error, outcome.read) == (None, 2)
    assert outcome.reasons == {"malformed_row": 1, "invalid_amount": 1}


@pytest.mark.parametrize(
    ("name", "content"), [("s.sta", MT940), ("s.xml.gz", gzip.compress(CAMT053.encode()))]
)
def test_released_rows_of_a_bank_file_are_read_without_the_mapping(
    name: str, content: str | bytes
) -> None:
    world = IntakeWorld(clock=FakeClock(datetime(2026, 11, 1, tzinfo=UTC)))
    mapping = mapping_of({"delimiter": ";", "decimal": ",", "columns": {"Konto": "account_id"}})
    world.intake_ledger.mappings.add("default", STATEMENTS, mapping, set_by="ann", why="bank A")
    first = world.ingest("bank_statements", content, name=name)
    assert first.outcome.quarantined == 2
    key = release_rows(
        first.intake_file, [1, 2], raw_store=world.raw_store, failed_store=world.failed_store
    )
    assert key is not None
    world.clock = FakeClock(datetime(2026, 11, 21, 12, tzinfo=UTC))

    outcome = ingest_file(world.claim(key), world.ports).outcome

    assert (outcome.error, outcome.accepted) == (None, 2)
