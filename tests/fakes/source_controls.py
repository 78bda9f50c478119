"""SourceControls in memory, over the files of a fake intake ledger."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    FileHold,
    HoldEnding,
    SenderKey,
    SourcePolicy,
    SourceState,
)
from tests.fakes.clock import FakeClock
from tests.fakes.intake_ledger import FakeIntakeLedger


@dataclass
class FakeSourceControls(SourceControls):
    """Every file counts as claimed under the first policy of its program."""

    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    clock: Clock = field(default_factory=FakeClock)
    policies: dict[str, list[SourcePolicy]] = field(default_factory=lambda: defaultdict(list))
    sender_keys: dict[tuple[str, str], SenderKey] = field(default_factory=dict)
    passed: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
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
        first = self.policies[program][0] if self.policies[program] else SourcePolicy()
        return SourceState(
            policy=self.policy(program),
            claimed_under=first,
            is_passed=intake_file.intake_id in self.passed,
            last_ending=holds[-1][1] if holds else None,
            hold=self._open(intake_file.intake_id),
        )

    @override
    def record_passed(
        self, intake_file: IntakeFile, control_sha256: str | None, key_id: str | None
    ) -> None:
        self.passed.setdefault(intake_file.intake_id, (control_sha256, key_id))
        self.end_hold(intake_file.intake_id, HoldEnding.RESUMED, by="cardops", why="")

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
            if (known.reason, known.row_count, known.totals_minor) == (
                hold.reason,
                hold.row_count,
                hold.totals_minor,
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
    def is_approved(
        self, intake_file: IntakeFile, row_count: int, totals_minor: Mapping[str, int]
    ) -> bool:
        arrival = intake_file.arrival
        same = self.ledger.find_all(
            arrival.kind, content_sha256=arrival.content_sha256, program=arrival.program
        )
        return any(
            ending is HoldEnding.APPROVED
            and (hold.row_count, hold.totals_minor) == (row_count, totals_minor)
            for file in same
            for hold, ending in self.holds[file.intake_id]
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
