"""DeliveryLedger on the fake and on PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from threading import Thread
from typing import Any

import pytest
from psycopg.errors import CheckViolation

from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.ports import DeliveryLedger
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    DeliveryState,
    FileNotMadeError,
    FrozenFileError,
    OperatorWord,
)
from tests.fakes.delivery_ledger import FakeDeliveryLedger

A_FILE = ChargebackFileRecord(
    batch_id="default-2026-03-01-1",
    network="visa",
    program="default",
    destination="visa",
    sequence=1,
    file_name="CB_1.csv",
    row_count=2,
    totals_minor={"USD": 1_000, "EUR": 5},
    content_sha256="aa",
    control_sha256="bb",
)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def ledger(request: pytest.FixtureRequest) -> DeliveryLedger:
    if request.param == "fake":
        return FakeDeliveryLedger()
    return PostgresDeliveryLedger(request.getfixturevalue("database_url"))


def test_sequences_rise_per_destination(ledger: DeliveryLedger) -> None:
    assert ledger.allot("b-1", "visa", destination="visa") == (1, 0)
    assert ledger.allot("b-1", "amex", destination="amex") == (1, 0)
    assert ledger.allot("b-2", "visa", destination="visa") == (2, 1)


def test_repeated_allotment_returns_the_same_sequence(ledger: DeliveryLedger) -> None:
    first = ledger.allot("b-1", "visa", destination="visa")
    ledger.allot("b-2", "visa", destination="visa")

    assert ledger.allot("b-1", "visa", destination="visa") == first


def test_recorded_file_is_found(ledger: DeliveryLedger) -> None:
    ledger.record_made(A_FILE)

    assert ledger.find(A_FILE.batch_id, "visa") == A_FILE
    assert ledger.find(A_FILE.batch_id, "amex") is None
    assert ledger.files_of(A_FILE.batch_id) == [A_FILE]


def test_words_about_a_file_are_kept_in_order_with_who_gave_them(ledger: DeliveryLedger) -> None:
    ledger.record_made(A_FILE)
    ledger.record_word(A_FILE.batch_id, "visa", None, "ann")
    ledger.record_word(A_FILE.batch_id, "visa", OperatorWord.SEND_AGAIN, "bea")
    ledger.record_word(A_FILE.batch_id, "amex", OperatorWord.RECEIVED, "cid")

    words = ledger.words_of(A_FILE.batch_id, "visa")

    assert [(word.word, word.said_by) for word in words] == [
        ("retry", "ann"),
        ("send_again", "bea"),
    ]
    assert words[0].said_at <= words[1].said_at
    assert words[0].said_at.tzinfo is not None


def test_recording_the_same_file_again_keeps_its_state(ledger: DeliveryLedger) -> None:
    sent = replace(A_FILE, state=DeliveryState.DELIVERED, remote_path="/in/CB_1.csv")
    ledger.record_made(A_FILE)
    ledger.record(sent)
    ledger.record_made(A_FILE)

    assert ledger.find(A_FILE.batch_id, "visa") == sent


@pytest.mark.parametrize(
    "change",
    [
        {"content_sha256": "cc"},
        {"control_sha256": "cc"},
        {"file_name": "CB_2.csv"},
        {"row_count": 3},
        {"totals_minor": {"USD": 1_001, "EUR": 5}},
    ],
)
def test_recorded_file_cannot_change(ledger: DeliveryLedger, change: dict[str, Any]) -> None:
    ledger.record_made(A_FILE)

    with pytest.raises(FrozenFileError, match="was recorded with other bytes"):
        ledger.record_made(replace(A_FILE, **change))
    assert ledger.find(A_FILE.batch_id, "visa") == A_FILE


def test_progress_is_stored_and_frozen_fields_stay(ledger: DeliveryLedger) -> None:
    ledger.record_made(A_FILE)
    failed = replace(
        A_FILE, state=DeliveryState.FAILED, attempt_count=3, last_error="no connection"
    )
    ledger.record(replace(failed, file_name="other.csv"))

    assert ledger.find(A_FILE.batch_id, "visa") == failed


def test_progress_of_an_unknown_file_is_refused(ledger: DeliveryLedger) -> None:
    with pytest.raises(FileNotMadeError, match="has no file for visa"):
        ledger.record(A_FILE)


def test_records_are_filtered_by_state_newest_first(ledger: DeliveryLedger) -> None:
    newer = replace(A_FILE, batch_id="default-2026-03-02-1", sequence=2)
    ledger.record_made(A_FILE)
    ledger.record_made(newer)
    ledger.record(replace(newer, state=DeliveryState.FAILED))

    assert [record.batch_id for record in ledger.all()] == [newer.batch_id, A_FILE.batch_id]
    assert [record.batch_id for record in ledger.all(["failed"])] == [newer.batch_id]
    assert ledger.all([]) == []
    assert [record.batch_id for record in ledger.all(newest=1)] == [newer.batch_id]
    assert ledger.all(["made"], newest=1) == [A_FILE]


def test_file_lock_has_one_holder_at_a_time(ledger: DeliveryLedger) -> None:
    ledger.record_made(A_FILE)
    states = []

    def second() -> None:
        with ledger.exclusively(A_FILE.batch_id, "visa") as record:
            states.append(record and record.state)

    other = Thread(target=second)
    with ledger.exclusively(A_FILE.batch_id, "visa") as record:
        other.start()
        other.join(0.2)
        assert record == A_FILE
        assert states == []
        ledger.record(replace(A_FILE, state=DeliveryState.DELIVERED))
    other.join()

    assert states == [DeliveryState.DELIVERED]


@pytest.mark.database
def test_concurrent_files_get_different_sequences(database_url: str) -> None:
    ledger = PostgresDeliveryLedger(database_url)
    numbers = in_parallel(8, lambda n: ledger.allot(f"b-{n}", "visa", destination="visa")[0])

    assert sorted(numbers) == list(range(1, 9))


def in_parallel(count: int, work: Callable[[int], int]) -> list[int]:
    results: list[int] = []
    threads = [Thread(target=lambda n=n: results.append(work(n))) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_what_is_sent_is_stored_beside_what_was_made(ledger: DeliveryLedger) -> None:
    ledger.record_made(A_FILE)
    encrypted = replace(
        A_FILE,
        encrypted_sha256="ee",
        encrypted_control_sha256="ff",
        encrypted_for="0123ABCD",
        counts_on=date(2026, 3, 2),
    )
    ledger.record(encrypted)
    ledger.record_made(A_FILE)

    found = ledger.find(A_FILE.batch_id, "visa")
    assert found == encrypted
    assert found.sent_names == (f"{A_FILE.file_name}.pgp", f"{A_FILE.file_name}.ctl.pgp")
    assert found.sent_hashes == ("ee", "ff")
    assert A_FILE.sent_names == (A_FILE.file_name, f"{A_FILE.file_name}.ctl")


def test_evidence_is_stored_and_frozen_like_the_csv(ledger: DeliveryLedger) -> None:
    made = replace(A_FILE, evidence_sha256="dd")
    ledger.record_made(made)
    with pytest.raises(FrozenFileError):
        ledger.record_made(A_FILE)

    sent = replace(
        made,
        encrypted_sha256="ee",
        encrypted_control_sha256="ff",
        encrypted_evidence_sha256="00",
        encrypted_for="0123ABCD",
    )
    ledger.record(sent)
    found = ledger.find(A_FILE.batch_id, "visa")
    assert found == sent
    assert found.sent_hashes == ("ee", "ff", "00")
    assert [name.rpartition("_")[2] for name in found.sent_names[2:]] == ["evidence.zip.pgp"]


def test_missed_cut_off_is_stored(ledger: DeliveryLedger) -> None:
    ledger.record_made(A_FILE)
    ledger.miss_cut_off(A_FILE, date(2026, 3, 2))

    found = ledger.find(A_FILE.batch_id, "visa")
    assert found is not None
    assert found.missed_cut_off_on == date(2026, 3, 2)


@pytest.mark.database
def test_database_refuses_a_hash_of_half_an_encrypted_pair(database_url: str) -> None:
    ledger = PostgresDeliveryLedger(database_url)
    ledger.record_made(A_FILE)

    with pytest.raises(CheckViolation):
        ledger.record(replace(A_FILE, encrypted_sha256="ee"))
