"""Acknowledgements: read once, matched by sequence and hash; rejected rows go into a later batch."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event

import dagster as dg
import pytest
from pysequoia import Cert, Tsk, encrypt
from typing_extensions import override

from assets.acknowledged_files import ADDS_UP, NONE_MISSING, acknowledged_files
from assets.acknowledgements import acknowledgements
from cardops.contracts.acknowledgements import read_acknowledgement
from cardops.ports import DeliveryLedger, FileDelivery
from cardops.rules.deliveries.acknowledgements import AcknowledgementOutcome as Outcome
from cardops.rules.deliveries.acknowledgements import ReceivedFile, RejectedRows
from cardops.rules.deliveries.records import (
    DeliveryState,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from cardops.services.deliveries.delivery_snapshots import snapshot_deliveries
from tests.factories.acknowledged_files import (
    OUTBOX,
    AcknowledgementDesk,
    DeliveredFiles,
    age,
    an_acknowledgement,
    outbox_of,
)
from tests.factories.deliveries import a_made_file
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import csv_file
from tests.factories.real_days import today
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.destinations import FakeDestinations

pytestmark = pytest.mark.database

PATH = f"{OUTBOX}/a.ack.json"
OPEN_AGAIN = csv_file(f"{CHARGEBACKS},status", f"{DISPUTED},won")
DAY = timedelta(hours=24)
KEY = Tsk.generate("Us <files@us.example>")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PARTNER = Tsk.generate("A card company")


def later_batch() -> str:
    """The first batch of today, which takes the rejected rows."""
    return f"default-{today()}-001"


@pytest.fixture
def destinations() -> FakeDestinations:
    return FakeDestinations()


@pytest.fixture
def outbox(destinations: FakeDestinations) -> dict[str, bytes]:
    return outbox_of(destinations)


@pytest.fixture(scope="module")
def delivered(module_database_url: str) -> DeliveredFiles:
    return DeliveredFiles(module_database_url)


@pytest.fixture
def desk(delivered: DeliveredFiles, destinations: FakeDestinations) -> AcknowledgementDesk:
    delivered.forget()
    return AcknowledgementDesk(delivered.url, destinations, delivered=delivered)


def encrypted(content: bytes) -> bytes:
    return bytes(encrypt(content, recipients=[KEY.extract_certificate()], armor=False))


def outcomes(desk: AcknowledgementDesk) -> list[Outcome]:
    return [stored.outcome for stored in desk.poll().read]


def subjects(desk: AcknowledgementDesk) -> list[str]:
    return [subject for subject, _, _ in desk.notifier.alarms]


def test_acknowledgement_is_matched_once_and_archived(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1", "c2")
    outbox[PATH] = an_acknowledgement(record)

    assert outcomes(desk) == [Outcome.MATCHED]
    assert outcomes(desk) == []

    (stored,) = desk.acknowledgements.of_batches([record.batch_id])
    assert (stored.accepted_count, stored.rejected_count, stored.is_late) == (2, 0, False)
    assert list(desk.raw.contents.values()) == [outbox[PATH]]
    assert desk.notifier.alarms == []
    assert desk.waiting() == []


def test_rejected_row_is_in_a_later_batch_and_waits_when_rejected_again(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    first = desk.deliver("c1", "c2", "c3")
    outbox[PATH] = an_acknowledgement(first, ["c2"])

    (stored,) = desk.poll().read

    assert stored.reopened_to == later_batch()
    assert desk.waiting() == [("c2", "files_not_made", later_batch())]
    (rejection,) = desk.acknowledgements.rejections(first.batch_id, "visa")
    assert (rejection.line.key.case_number, rejection.line.code) == ("c2", "unknown_arn")
    again = desk.make(later_batch())
    assert again.row_count == 1
    (made,) = desk.builder.build(first.batch_id, ["visa"]).values()
    assert made == replace(first, state=again.state)
    assert desk.world.intake_ledger.batch_accounts(LONG_AGO) == []
    assert desk.waiting() == []

    outbox[f"{OUTBOX}/b.ack.json"] = an_acknowledgement(again, ["c2"])
    desk.poll()

    assert desk.waiting() == [("c2", "rejected", later_batch())]
    assert desk.world.intake_ledger.batch_accounts(LONG_AGO) == []
    assert Counter(subjects(desk)) == {"visa rejected 1 rows of a chargeback file": 2}


def test_snapshot_of_deliveries_has_what_was_answered(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    answered, silent = desk.deliver("c1", "c2", "c3"), desk.deliver("c4")
    outbox[PATH] = an_acknowledgement(answered, ["c2"])
    desk.poll()

    frame = snapshot_deliveries(desk.ledger, desk.acknowledgements, desk.world.lake, today())

    files = {row["batch_id"]: row for row in frame.to_dicts()}
    first, second = files[answered.batch_id], files[silent.batch_id]
    assert (first["state"], first["acknowledgement"]) == ("delivered", "partly_rejected")
    assert (first["accepted_count"], first["rejected_count"]) == (2, 1)
    assert first["delivered_at"] is not None
    assert (second["acknowledgement"], second["acknowledged_at"]) == ("none", None)


def test_rejected_row_waits_where_the_destination_says_so(
    desk: AcknowledgementDesk, destinations: FakeDestinations, outbox: dict[str, bytes]
) -> None:
    destinations.parts["visa"]["rejected_rows"] = "hold"
    record = desk.deliver("c1")
    outbox[PATH] = an_acknowledgement(record, ["c1"])

    desk.poll()

    assert desk.waiting() == [("c1", "rejected", record.batch_id)]
    (row,) = desk.world.intake_ledger.held_disputes()
    later = desk.world.intake_ledger.release_disputes("default", [row.key], by="me", why="mended")
    assert later is not None
    assert desk.make(later.batch_id).row_count == 1


def test_row_of_a_stage_that_went_on_does_not_reopen(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1")
    desk.world.submit("chargebacks", OPEN_AGAIN)
    outbox[PATH] = an_acknowledgement(record, ["c1"])

    (stored,) = desk.poll().read

    assert stored.reopened_to is None
    assert ("c1", "rejected", record.batch_id) in desk.waiting()


def test_same_acknowledgement_again_changes_nothing(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1", "c2")
    outbox[PATH] = an_acknowledgement(record, ["c2"])
    desk.poll()
    outbox[f"{OUTBOX}/again.ack.json"] = an_acknowledgement(
        record, ["c2"], received_at="2026-11-20T13:00:00Z"
    )

    assert outcomes(desk) == [Outcome.REPEATED]
    assert desk.waiting() == [("c2", "files_not_made", later_batch())]
    assert len(desk.notifier.alarms) == 1


def test_differing_second_acknowledgement_alarms_and_the_first_stands(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1", "c2")
    outbox[PATH] = an_acknowledgement(record)
    desk.poll()
    outbox[PATH] = an_acknowledgement(record, ["c1"])

    assert outcomes(desk) == [Outcome.CONFLICTING]
    assert subjects(desk) == ["Acknowledgement a.ack.json of visa is conflicting"]
    assert desk.waiting() == []
    assert desk.poll().read == []
    assert len(desk.notifier.alarms) == 1


def test_acknowledgement_settles_an_unconfirmed_delivery(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1", state=DeliveryState.DELIVERED_UNCONFIRMED)
    outbox[PATH] = an_acknowledgement(record)

    desk.poll()

    settled = desk.ledger.find(record.batch_id, "visa")
    assert settled is not None
    assert settled.state is DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"sequence": 9}, Outcome.UNKNOWN),
        ({"sha256": "0" * 64}, Outcome.UNKNOWN),
        ({"rows": {"accepted": 1, "rejected": 0}}, Outcome.INCONSISTENT),
        ({"rows": {"accepted": 1, "rejected": 1}}, Outcome.INCONSISTENT),
    ],
)
def test_acknowledgement_that_fits_no_file_alarms_and_changes_nothing(
    desk: AcknowledgementDesk,
    outbox: dict[str, bytes],
    changes: dict[str, object],
    outcome: Outcome,
) -> None:
    record = desk.deliver("c1", "c2", state=DeliveryState.DELIVERED_UNCONFIRMED)
    outbox[PATH] = an_acknowledgement(record, **changes)

    assert outcomes(desk) == [outcome]
    assert subjects(desk) == [f"Acknowledgement a.ack.json of visa is {outcome}"]
    found = desk.ledger.find(record.batch_id, "visa")
    assert found is not None
    assert found.state is DeliveryState.DELIVERED_UNCONFIRMED
    outbox[PATH] = an_acknowledgement(record)
    assert outcomes(desk) == [Outcome.MATCHED]


@pytest.mark.parametrize("name", ["a.ack.json", "a.ack.json.pgp"])
def test_encrypted_acknowledgement_is_read_with_our_key_and_archived_as_it_came(
    desk: AcknowledgementDesk,
    destinations: FakeDestinations,
    outbox: dict[str, bytes],
    name: str,
) -> None:
    destinations.parts["visa"] |= {"openpgp_key": str(KEY), "acknowledged_folder": "/done"}
    record = desk.deliver("c1", "c2")
    content = encrypted(an_acknowledgement(record, ["c2"]))
    outbox[f"{OUTBOX}/{name}"] = content

    (stored,) = desk.poll().read

    assert (stored.outcome, stored.rejected_count) == (Outcome.MATCHED, 1)
    ((key, archived),) = desk.raw.contents.items()
    (moved,) = outbox
    assert archived == content
    assert key.removeprefix("acknowledgements/visa/") == moved.removeprefix("/done/")
    assert (moved.startswith("/done/a-"), moved.endswith(name[1:])) == (True, True)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (None, "visa has no key of ours to read it with"),
        (Tsk.generate("Another"), "it cannot be decrypted (No key to decrypt message)"),
    ],
)
def test_acknowledgement_that_cannot_be_decrypted_is_unreadable_until_the_key_is_there(
    desk: AcknowledgementDesk,
    destinations: FakeDestinations,
    outbox: dict[str, bytes],
    key: Tsk | None,
    problem: str,
) -> None:
    if key is not None:
        destinations.parts["visa"]["openpgp_key"] = str(key)
    outbox[PATH] = encrypted(an_acknowledgement(desk.deliver("c1")))

    (stored,) = desk.poll().read

    assert stored.outcome is Outcome.UNREADABLE
    assert stored.problem is not None
    assert problem in stored.problem
    assert outcomes(desk) == [Outcome.UNREADABLE]
    assert outcomes(desk) == []
    assert subjects(desk) == ["Acknowledgement a.ack.json of visa is unreadable"]
    destinations.parts["visa"]["openpgp_key"] = str(KEY)
    assert outcomes(desk) == [Outcome.MATCHED]
    assert outcomes(desk) == []


@pytest.mark.parametrize(
    ("signer", "is_revoked", "expected"),
    [
        (None, False, Outcome.MATCHED),
        (PARTNER, False, Outcome.MATCHED),
        # Of a key that is not ours to judge.
        (KEY, False, Outcome.MATCHED),
        (PARTNER, True, Outcome.UNREADABLE),
    ],
)
def test_signature_that_names_the_card_companys_key_must_be_valid(
    desk: AcknowledgementDesk,
    destinations: FakeDestinations,
    outbox: dict[str, bytes],
    signer: Tsk | None,
    *,
    is_revoked: bool,
    expected: Outcome,
) -> None:
    record = desk.deliver("c1")
    certificate = PARTNER.extract_certificate()
    if is_revoked:
        revocation = certificate.revoke(PARTNER.certifier())
        certificate = Cert.from_bytes(bytes(certificate) + bytes(revocation))
    destinations.parts["visa"] |= {"openpgp_key": str(KEY), "openpgp_certificate": str(certificate)}
    outbox[PATH] = bytes(
        encrypt(
            an_acknowledgement(record),
            recipients=[KEY.extract_certificate()],
            signer=signer.signer() if signer else None,
        )
    )

    (stored,) = desk.poll().read

    assert stored.outcome is expected
    problem = f"its signature names a key of the certificate {certificate.fingerprint.upper()}"
    assert (problem in str(stored.problem)) == is_revoked


def test_line_that_is_not_in_the_file_is_inconsistent(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1", "c2")
    outbox[PATH] = an_acknowledgement(record, ["c9"])

    (stored,) = desk.poll().read

    assert stored.outcome is Outcome.INCONSISTENT
    assert stored.problem == "it rejects case c9, chargeback, 1, which is no line of the file"
    assert desk.waiting() == []


def test_file_that_is_still_written_is_read_again_before_it_alarms(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1")
    outbox[PATH] = an_acknowledgement(record)[:50]
    assert outcomes(desk) == [Outcome.UNREADABLE]
    assert desk.notifier.alarms == []
    outbox[PATH] = an_acknowledgement(record)
    assert outcomes(desk) == [Outcome.MATCHED]
    assert desk.notifier.alarms == []

    outbox[f"{OUTBOX}/bad.ack.json"] = b"not JSON"
    for _ in range(3):
        desk.poll()

    assert subjects(desk) == ["Acknowledgement bad.ack.json of visa is unreadable"]


def test_missing_acknowledgement_alarms_once_and_a_late_one_says_so(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1")
    assert desk.poll().missing == []
    age(desk, 25)

    assert desk.poll().missing == [record.file_name]
    assert desk.poll().missing == []
    outbox[PATH] = an_acknowledgement(record)
    (stored,) = desk.poll().read

    assert stored.is_late
    assert subjects(desk) == [
        f"No acknowledgement of chargeback file {record.file_name}",
        "Acknowledgement a.ack.json of visa came late",
    ]


def test_files_from_before_the_first_poll_are_not_missing(desk: AcknowledgementDesk) -> None:
    outbox_of(desk.destinations)  # type: ignore[arg-type] # a fake
    desk.deliver("c1")
    age(desk, 60)

    assert desk.poll().missing == []
    assert desk.notifier.alarms == []


def test_read_file_is_moved_where_the_destination_says_so(
    desk: AcknowledgementDesk, destinations: FakeDestinations, outbox: dict[str, bytes]
) -> None:
    destinations.parts["visa"]["acknowledged_folder"] = "/done"
    record = desk.deliver("c1")
    for _ in range(2):
        outbox[PATH] = an_acknowledgement(record)
        desk.poll()

    (path,) = outbox
    assert path.startswith("/done/a-")
    (stored,) = desk.acknowledgements.since(LONG_AGO)
    assert stored.outcome is Outcome.MATCHED


def test_folder_that_cannot_be_read_alarms_once(
    desk: AcknowledgementDesk, destinations: FakeDestinations, outbox: dict[str, bytes]
) -> None:
    desk.deliver("c1")
    assert outbox == {}
    destinations.refusing.add("visa")

    for _ in range(2):
        assert desk.poll().error is not None

    assert subjects(desk) == ["Acknowledgements of visa cannot be read"]


class OneWaitsForTheOther(FakeDestinations):
    """Mastercard's server does not answer before Visa's was asked."""

    visa_was_asked = Event()

    @override
    def connect(self, destination: str) -> FileDelivery:
        if destination == "visa":
            self.visa_was_asked.set()
        elif not self.visa_was_asked.wait(10):
            raise TransientDeliveryError("Visa's folder waits for Mastercard's")
        return super().connect(destination)


def test_server_that_does_not_answer_holds_up_no_other_folder(delivered: DeliveredFiles) -> None:
    delivered.forget()
    destinations = OneWaitsForTheOther()
    outbox = outbox_of(destinations)
    destinations.parts["mastercard"] = {"outbound_folder": f"{OUTBOX}/of-mastercard"}
    desk = AcknowledgementDesk(delivered.url, destinations, delivered=delivered)
    outbox[PATH] = an_acknowledgement(desk.deliver("c1"))
    other = a_made_file(desk.ledger, desk.store, "default-2026-11-20-002", network="mastercard")
    desk.ledger.record(replace(other, state=DeliveryState.DELIVERED))

    mastercard, visa = desk.service.poll_all()

    assert (mastercard.destination, mastercard.error, mastercard.read) == ("mastercard", None, [])
    assert [stored.outcome for stored in visa.read] == [Outcome.MATCHED]


def test_alarm_of_a_process_that_died_is_sent_by_the_next_poll(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1")
    outbox[PATH] = an_acknowledgement(record, ["c1"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(desk.notifier, "notify", _die)
        with pytest.raises(PermanentDeliveryError):
            desk.poll()

    desk.poll()

    assert subjects(desk) == ["visa rejected 1 rows of a chargeback file"]


def _die(*_: object, **__: object) -> None:
    raise PermanentDeliveryError("died here")


def test_workers_that_read_a_folder_together_record_each_file_once(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    record = desk.deliver("c1", "c2")
    outbox[PATH] = an_acknowledgement(record, ["c2"])
    outbox[f"{OUTBOX}/b.ack.json"] = an_acknowledgement(record, ["c1"])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: desk.poll(), range(4)))

    outcomes = Counter(stored.outcome for result in results for stored in result.read)
    assert outcomes == {Outcome.MATCHED: 1, Outcome.CONFLICTING: 1}
    assert desk.waiting() == [("c2", "files_not_made", later_batch())]
    assert len(desk.notifier.alarms) == 2


def test_one_acknowledgement_of_a_file_stands_whoever_records_it(
    desk: AcknowledgementDesk,
) -> None:
    record = desk.deliver("c1", "c2")
    said = [read_acknowledgement(an_acknowledgement(record, rejected)) for rejected in ([], ["c1"])]
    rows = desk.service.lines.find(record, said[1].rejected, RejectedRows.REOPEN)

    def record_one(number: int) -> Outcome:
        file = ReceivedFile("visa", f"{number}.ack.json", str(number), "1/1")
        which = number % 2
        stored = desk.acknowledgements.record(
            file, said[which], ("default-2026-11-20-001", "visa"), rows if which else [], within=DAY
        )
        return stored.outcome

    with ThreadPoolExecutor(6) as pool:
        outcomes = Counter(pool.map(record_one, range(6)))

    assert outcomes == {Outcome.MATCHED: 1, Outcome.REPEATED: 2, Outcome.CONFLICTING: 3}


def test_recorded_file_again_returns_what_is_on_record(desk: AcknowledgementDesk) -> None:
    record = desk.deliver("c1")
    said = read_acknowledgement(an_acknowledgement(record))
    file = ReceivedFile("visa", "a.ack.json", "1", "1/1")
    key = (record.batch_id, "visa")

    first = desk.acknowledgements.record(file, said, key, [], within=DAY)
    touched = desk.acknowledgements.record(replace(file, revision="1/2"), said, key, [], within=DAY)

    assert touched == first
    (stored,) = desk.acknowledgements.read_before("visa", ["a.ack.json"]).values()
    assert stored.file.revision == "1/2"


@pytest.mark.dagster
def test_answered_and_missing_files_of_a_date_are_in_the_lake(
    desk: AcknowledgementDesk, outbox: dict[str, bytes]
) -> None:
    first = desk.deliver("c1", "c2", "c3")
    outbox[PATH] = an_acknowledgement(first, ["c2"])
    desk.poll()
    again = desk.make(later_batch())

    def close(
        ledger: DeliveryLedger = desk.ledger,
    ) -> tuple[list[tuple[object, ...]], dict[str, bool]]:
        context = dg.build_asset_context(partition_key=str(today()))
        result = acknowledged_files(
            context=context,
            acknowledgement_ledger=desk.acknowledgements,
            delivery_ledger=ledger,
            lake=desk.world.lake,
        )
        table = desk.world.lake.scan("acknowledged_files")
        assert table is not None
        columns = ("batch_id", "verdict", "reason_code", "row_count", "reopened_to")
        checks = {str(found.check_name): found.passed for found in result.check_results}
        return table.select(columns).collect().rows(), checks

    answered = [
        (first.batch_id, "accepted", None, 2, None),
        (first.batch_id, "rejected", "unknown_arn", 1, later_batch()),
    ]
    assert close() == (answered, {ADDS_UP: True, NONE_MISSING: True})

    age(desk, 25)
    desk.poll()

    missing = (again.batch_id, "missing", None, 1, None)
    assert close() == ([*answered, missing], {ADDS_UP: True, NONE_MISSING: False})
    assert close(FakeDeliveryLedger())[1][ADDS_UP] is False
    outbox[f"{OUTBOX}/b.ack.json"] = an_acknowledgement(again)
    desk.poll()
    assert close()[0] == [*answered, (again.batch_id, "accepted", None, 1, None)]


@pytest.mark.dagster
def test_asset_reads_every_folder(desk: AcknowledgementDesk, outbox: dict[str, bytes]) -> None:
    record = desk.deliver("c1")
    outbox[PATH] = an_acknowledgement(record)
    resources = {
        "lake": desk.world.lake,
        "raw_store": desk.raw,
        "processed_store": desk.store,
        "intake_ledger": desk.world.intake_ledger,
        "delivery_ledger": desk.ledger,
        "acknowledgement_ledger": desk.acknowledgements,
        "destinations": desk.destinations,
        "breakers": FakeBreakers(),
        "notifier": desk.notifier,
        "clock": FakeClock(),
    }

    result = acknowledgements(context=dg.build_asset_context(), **resources)

    assert result.metadata["outcomes"].value == {"matched": 1}
