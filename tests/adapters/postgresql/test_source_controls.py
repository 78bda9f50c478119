"""SourceControls on the fake and on PostgreSQL."""

from dataclasses import dataclass, replace

import pytest

from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls
from cardops.ports import IntakeLedger, SourceControls
from cardops.rules.intake.control_files import ControlPolicy
from cardops.rules.intake.files import FileOutcome, FileRecalledError, FileStatus, IntakeFile
from cardops.rules.intake.source_controls import (
    FileHold,
    FilePass,
    HoldEnding,
    HoldReason,
    SenderKey,
    SourcePolicy,
)
from tests.factories.intake import A_DAY, DEPOSITS, an_arrival
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.source_controls import FakeSourceControls

HUGE = {"USD": 2**70}
HUGE_FILE = FilePass(row_count=2, totals_minor=HUGE)


@dataclass
class Stores:
    ledger: IntakeLedger
    controls: SourceControls

    def claimed(self, key: str = "incoming/deposits/a.csv", program: str = "default") -> IntakeFile:
        return self.ledger.claim(an_arrival(key, program=program), A_DAY)[0]

    def hold(self, file: IntakeFile, hold: FileHold) -> None:
        self.controls.hold(file, hold, FileOutcome(error=hold.sentence))


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        ledger = FakeIntakeLedger()
        return Stores(ledger, FakeSourceControls(ledger))
    url = request.getfixturevalue("database_url")
    return Stores(PostgresIntakeLedger(url), PostgresSourceControls(url))


def test_policies_and_keys_are_recorded_with_their_changes(stores: Stores) -> None:
    controls = stores.controls
    assert controls.policy("default") == SourcePolicy()
    for policy in (SourcePolicy(ControlPolicy.SIGNED, 5, HUGE), SourcePolicy()):
        controls.set_policy("default", policy, "ops")

    first, last = controls.policy_changes("default")
    assert replace(first, changed_at=None) == SourcePolicy(ControlPolicy.SIGNED, 5, HUGE, "ops")
    assert controls.policy("default") == last
    key = SenderKey("default", "k1", bytes(32), "ops")
    assert (controls.add_key(key), controls.add_key(key)) == (True, False)
    assert controls.revoke_key("default", "k1", "ops")
    assert not controls.revoke_key("default", "k2", "ops")
    (revoked,) = controls.keys("default")
    assert revoked.revoked_at is not None
    controls.revoke_key("default", "k1", "ops")
    assert controls.keys("default") == [revoked]


def test_held_file_keeps_one_open_hold_until_it_is_decided(stores: Stores) -> None:
    controls, file = stores.controls, stores.claimed()
    waits = FileHold(HoldReason.CONTROL_FILE, "waits")
    approval = FileHold(HoldReason.APPROVAL, "too much", 2, HUGE)
    stores.hold(file, waits)
    controls.mark_reported(file.intake_id)
    stores.hold(file, replace(waits, sentence="unreadable", seen_version="v1"))
    ((held, hold),) = controls.held(DEPOSITS)

    assert (held.status, held.attempt_series) == (FileStatus.HELD, 2)
    assert stores.ledger.unfinished(DEPOSITS) == []
    assert (hold.sentence, hold.seen_version, hold.is_reported) == ("unreadable", "v1", True)
    stores.hold(file, approval)
    ((_, hold),) = controls.held(DEPOSITS, "default")
    assert replace(hold, held_at=None) == approval
    assert controls.held(DEPOSITS, "acme") == []
    assert controls.approvals(file, HUGE_FILE) == 0
    assert controls.approve(file.intake_id, by="boss", why="seen") is not None
    assert controls.approve(file.intake_id, by="boss", why="seen") is None
    assert not controls.end_hold(file.intake_id, HoldEnding.REJECTED, by="boss", why="seen")
    assert controls.state(file).last_ending is HoldEnding.APPROVED
    assert [f.intake_id for f in stores.ledger.unfinished(DEPOSITS)] == [file.intake_id]


def test_approval_is_for_content_program_and_figures(stores: Stores) -> None:
    controls, file = stores.controls, stores.claimed()
    stores.hold(file, FileHold(HoldReason.APPROVAL, "too much", 2, HUGE))
    controls.approve(file.intake_id, by="boss", why="seen")
    same, other = stores.claimed("again.csv"), stores.claimed("acme.csv", program="acme")

    assert controls.approvals(file, HUGE_FILE) == 1
    assert controls.approvals(same, HUGE_FILE) == 1
    assert controls.approvals(other, HUGE_FILE) == 0
    assert controls.approvals(file, replace(HUGE_FILE, row_count=3)) == 0
    assert controls.approvals(file, replace(HUGE_FILE, totals_minor={"USD": 1})) == 0


def test_file_that_passed_ends_its_hold(stores: Stores) -> None:
    file = stores.claimed()
    stores.hold(file, FileHold(HoldReason.CONTROL_FILE, "waits"))
    stores.controls.pass_unless_held(file, FilePass("aa", "k1"), SourcePolicy())

    state = stores.controls.state(file)
    assert (state.is_passed, state.hold, state.last_ending) == (True, None, HoldEnding.RESUMED)


def test_recalled_file_is_not_held(stores: Stores) -> None:
    file = stores.claimed()
    stores.ledger.mark(file.intake_id, FileStatus.RECALLED)

    with pytest.raises(FileRecalledError):
        stores.hold(file, FileHold(HoldReason.APPROVAL, "too much"))


def test_submitters_and_releases_are_those_of_the_content(stores: Stores) -> None:
    controls, file = stores.controls, stores.claimed()
    again, other = stores.claimed("again.csv"), stores.claimed("acme.csv", program="acme")
    for entry, person in ((file, "anna"), (again, "ben"), (other, "carla"), (file, "dora")):
        controls.submitted(entry.arrival.bucket, [entry.arrival.key], person)

    assert controls.submitters(again) == ["anna", "ben"]
    for _ in range(2):
        controls.release(file.arrival.bucket, file.arrival.key, file.arrival.content_sha256)
    replaced = replace(file, arrival=replace(file.arrival, content_sha256="other"))
    assert controls.is_release(file)
    assert not controls.is_release(replaced)
