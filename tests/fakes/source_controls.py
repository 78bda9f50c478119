"""SourceControls in memory, over the files of a fake intake ledger."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from typing_extensions import override

from cardops.ports import Clock, SourceControls
from cardops.rules.intake.files import (
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFile,
    Kind,
)
from cardops.rules.intake.source_controls import (
    ApprovalNeed,
    DateSums,
    FileHold,
    FilePass,
    HoldEnding,
    SenderKey,
    SourcePolicy,
    SourceState,
    approval_need,
    person,
)
from tests.fakes.clock import FakeClock
from tests.fakes.deposit_ledger import FakeDepositLedger
from tests.fakes.intake_ledger import FakeIntakeLedger


@dataclass
class FakeSourceControls(SourceControls):
    """Every file counts as claimed when it is first asked for."""

    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    clock: Clock = field(default_factory=FakeClock)
    policies: dict[str, list[SourcePolicy]] = field(default_factory=lambda: defaultdict(list))
    sender_keys: dict[tuple[str, str], SenderKey] = field(default_factory=dict)
    deposits: FakeDepositLedger | None = None
    claimed: dict[int, datetime] = field(default_factory=dict)
    passed: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    sums: dict[int, tuple[Mapping[str, int], int]] = field(default_factory=dict)
    holds: dict[int, list[tuple[FileHold, HoldEnding | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    people: dict[tuple[str, str], str] = field(default_factory=dict)
    releases: set[tuple[str, str, str]] = field(default_factory=set)

    @override
    def policy(self, program: str) -> SourcePolicy:
        return self.policies[program][-1] if self.policies[program] else SourcePolicy()

    @override
    def policy_changes(self, program: str) -> Sequence[SourcePolicy]:
        return list(self.policies[program])

    @override
    def set_policy(self, program: str, policy: SourcePolicy, changed_by: str) -> None:
        changed = replace(policy, changed_by=changed_by, changed_at=self.clock.now())
        self.policies[program].append(changed)

    @override
    def keys(self, program: str) -> Sequence[SenderKey]:
        return [key for key in self.sender_keys.values() if key.program == program]

    @override
    def add_key(self, key: SenderKey) -> bool:
        if (key.program, key.key_id) in self.sender_keys:
            return False
        self.sender_keys[key.program, key.key_id] = replace(key, added_at=self.clock.now())
        return True

    @override
    def revoke_key(self, program: str, key_id: str, revoked_by: str) -> bool:
        key = self.sender_keys.get((program, key_id))
        if key is not None and key.revoked_at is None:
            self.sender_keys[program, key_id] = replace(key, revoked_at=self.clock.now())
        return key is not None

    @override
    def state(self, intake_file: IntakeFile) -> SourceState:
        program = intake_file.arrival.program
        holds = self.holds[intake_file.intake_id]
        return SourceState(
            policy=self.policy(program),
            claimed_at=self.claimed.setdefault(intake_file.intake_id, self.clock.now()),
            is_passed=intake_file.intake_id in self.passed or self._is_credited(intake_file),
            last_ending=holds[-1][1] if holds else None,
            hold=self._open(intake_file.intake_id),
        )

    @override
    def pass_unless_held(
        self, intake_file: IntakeFile, file_pass: FilePass, policy: SourcePolicy
    ) -> ApprovalNeed:
        intake_id = intake_file.intake_id
        sums = self._date_sums(intake_file) if policy.daily_caps_minor else DateSums()
        need = approval_need(policy, file_pass.totals_minor, sums)
        approved = self.approvals(intake_file, file_pass) if need.persons else 0
        if approved < need.persons:
            return need
        self.passed.setdefault(intake_id, (file_pass.control_sha256, file_pass.key_id))
        self.sums.setdefault(intake_id, (file_pass.totals_minor, approved))
        self.end_hold(intake_id, HoldEnding.RESUMED, by="cardops", why="")
        return ApprovalNeed()

    @override
    def hold(self, intake_file: IntakeFile, hold: FileHold, outcome: FileOutcome) -> None:
        found = self.ledger.find(intake_file.intake_id)
        if found.status is FileStatus.RECALLED:
            raise FileRecalledError(found)
        self.ledger.files[found.intake_id] = replace(
            found,
            status=FileStatus.HELD,
            outcome=outcome,
            attempt_series=found.attempt_series + 1,
        )
        self.ledger.attempts[found.intake_id] = 0
        known = self._open(found.intake_id)
        kept = replace(hold, held_at=self.clock.now())
        if known is not None:
            if (known.reason, known.row_count, known.totals_minor, known.approvals_needed) == (
                hold.reason,
                hold.row_count,
                hold.totals_minor,
                hold.approvals_needed,
            ):
                kept = replace(known, sentence=hold.sentence, seen_version=hold.seen_version)
                self.holds[found.intake_id].pop()
            else:
                self.end_hold(found.intake_id, HoldEnding.RESUMED, by="cardops", why="")
        self.holds[found.intake_id].append((kept, None))

    @override
    def held(self, kind: Kind, program: str | None = None) -> Sequence[tuple[IntakeFile, FileHold]]:
        files = [
            file
            for file in self.ledger.files.values()
            if (file.arrival.kind, file.status) == (kind, FileStatus.HELD)
            and program in {None, file.arrival.program}
        ]
        holds = [(file, self._open(file.intake_id)) for file in files]
        return [(file, hold) for file, hold in holds if hold is not None]

    @override
    def mark_reported(self, intake_id: int) -> None:
        hold = self._open(intake_id)
        if hold is not None:
            self.holds[intake_id][-1] = (replace(hold, is_reported=True), None)

    @override
    def end_hold(self, intake_id: int, ending: HoldEnding, *, by: str, why: str) -> bool:
        hold = self._open(intake_id)
        if hold is None:
            return False
        self.holds[intake_id][-1] = (hold, ending)
        file = self.ledger.find(intake_id)
        if ending is HoldEnding.APPROVED and file.status is FileStatus.HELD:
            self.ledger.files[intake_id] = replace(file, status=FileStatus.CLAIMED, outcome=None)
        return True

    @override
    def approve(self, intake_id: int, *, by: str, why: str) -> FileHold | None:
        hold = self._open(intake_id)
        if hold is None:
            return None
        if person(by) not in map(person, hold.approved_by):
            hold = replace(hold, approved_by=(*hold.approved_by, by))
        self.holds[intake_id][-1] = (hold, None)
        if len(hold.approved_by) >= hold.approvals_needed:
            self.end_hold(intake_id, HoldEnding.APPROVED, by=by, why=why)
        return hold

    @override
    def approvals(self, intake_file: IntakeFile, file_pass: FilePass) -> int:
        arrival = intake_file.arrival
        same = self.ledger.find_all(
            arrival.kind, content_sha256=arrival.content_sha256, program=arrival.program
        )
        figures = (file_pass.row_count, file_pass.totals_minor)
        return max(
            (
                len(hold.approved_by)
                for file in same
                for hold, ending in self.holds[file.intake_id]
                if ending is HoldEnding.APPROVED and (hold.row_count, hold.totals_minor) == figures
            ),
            default=0,
        )

    @override
    def submitted(self, bucket: str, keys: Sequence[str], submitted_by: str) -> None:
        for key in keys:
            self.people.setdefault((bucket, key), submitted_by)

    @override
    def submitters(self, intake_file: IntakeFile) -> Sequence[str]:
        arrival = intake_file.arrival
        same = self.ledger.find_all(
            arrival.kind, content_sha256=arrival.content_sha256, program=arrival.program
        )
        places = [(file.arrival.bucket, file.arrival.key) for file in same]
        return sorted({self.people[place] for place in places if place in self.people})

    @override
    def release(self, bucket: str, key: str, content_sha256: str) -> None:
        self.releases.add((bucket, key, content_sha256))

    @override
    def is_release(self, intake_file: IntakeFile) -> bool:
        arrival = intake_file.arrival
        return (arrival.bucket, arrival.key, arrival.content_sha256) in self.releases

    def _open(self, intake_id: int) -> FileHold | None:
        holds = self.holds[intake_id]
        return holds[-1][0] if holds and holds[-1][1] is None else None

    def _is_credited(self, intake_file: IntakeFile) -> bool:
        credited = self.deposits.events.values() if self.deposits else ()
        return any(
            event.intake_id == intake_file.intake_id and not event.is_recalled
            for events in credited
            for event in events
        )

    def _date_sums(self, intake_file: IntakeFile) -> DateSums:
        arrival, day = intake_file.arrival, intake_file.business_date
        others = {
            file.arrival.content_sha256: self.sums[file.intake_id]
            for file in reversed(self.ledger.files.values())
            if (file.arrival.program, file.arrival.kind, file.business_date)
            == (arrival.program, arrival.kind, day)
            and file.arrival.content_sha256 != arrival.content_sha256
            and file.status is not FileStatus.RECALLED
            and file.intake_id in self.sums
        }
        unapproved: Counter[str] = Counter()
        by_one: Counter[str] = Counter()
        for totals, approved in others.values():
            by_one.update(totals if approved <= 1 else {})
            unapproved.update(totals if approved == 0 else {})
        return DateSums(unapproved, by_one)
