"""FiledBatches in memory: a part of the fake intake ledger."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from typing_extensions import override

from cardops.ports.chargebacks import FiledBatches
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.files import FORMAT_VERSION
from cardops.rules.chargebacks.filing import (
    BatchAccount,
    BatchUnfinishedError,
    CarriedRow,
    DisputeWait,
    Release,
    RowKey,
    WaitingDispute,
    WaitReason,
)
from cardops.rules.chargebacks.layouts import StoredLayout
from cardops.rules.intake.files import (
    BatchMissingError,
    ChargebackBatch,
    FileStatus,
    IntakeFile,
)

A_MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class FakeWait:
    dispute: WaitingDispute
    released_to: str | None = None
    released_by: str | None = None
    release_reason: str | None = None
    released_at: datetime | None = None


class FakeFiledBatches(FiledBatches):
    """Keeps batches in a dict and held rows in a list."""

    files: dict[int, IntakeFile]
    batches: dict[str, ChargebackBatch]
    waits_to_be_sent: list[FakeWait]
    policies: dict[tuple[str, str], str]
    stored_layouts: list[StoredLayout]
    evidence_packages: list[EvidencePackage]

    def batch(self, batch_id: str) -> ChargebackBatch:
        if batch_id not in self.batches:
            raise BatchMissingError(batch_id)
        files = tuple(file for file in self.files.values() if file.batch_id == batch_id)
        return replace(self.batches[batch_id], files=files)

    def put(self, file: IntakeFile) -> IntakeFile:
        self.files[file.intake_id] = file
        return file

    def new_batch(self, program: str, business_date: date, mode: str) -> ChargebackBatch:
        same = [
            batch
            for batch in self.batches.values()
            if (batch.program, batch.business_date) == (program, business_date)
        ]
        batch_id = f"{program}-{business_date}-{len(same) + 1:03d}"
        self.batches[batch_id] = ChargebackBatch(
            batch_id, program, business_date, mode, layout_version=FORMAT_VERSION
        )
        return self.batches[batch_id]

    def move_to_later_batch(self, file: IntakeFile) -> None:
        if file.batch_id is None or file.is_filed:
            return
        batch = self.batch(file.batch_id)
        if batch.filed_at is not None:
            later = self.new_batch(batch.program, file.business_date, batch.mode)
            self.put(replace(file, batch_id=later.batch_id))

    @override
    @contextmanager
    def filing(self, batch_id: str) -> Iterator[None]:
        yield

    @override
    def file_batch(
        self,
        batch_id: str,
        intake_ids: Sequence[int],
        *,
        held: Sequence[WaitingDispute] = (),
        layouts: Mapping[str, int] | None = None,
    ) -> ChargebackBatch:
        batch = self.batch(batch_id)
        if batch.filed_at is not None:
            return batch
        applied = {file.intake_id for file in batch.files if file.status is FileStatus.APPLIED}
        if batch.unfinished_files or applied != set(intake_ids):
            keys = [file.arrival.key for file in batch.unfinished_files]
            raise BatchUnfinishedError(batch_id, keys)
        for intake_id in intake_ids:
            self.put(replace(self.files[intake_id], is_filed=True))
        now = datetime.now(UTC)
        self.waits_to_be_sent += [
            FakeWait(replace(row, program=batch.program, batch_id=batch_id, since=now))
            for row in held
        ]
        self.batches[batch_id] = replace(
            self.batches[batch_id], filed_at=now, layouts=dict(layouts or {})
        )
        return self.batch(batch_id)

    @override
    def slot_made(self, batch_id: str, slot: str, rows: int) -> None:
        batch = self.batches[batch_id]
        self.batches[batch_id] = replace(batch, made_slots={**batch.made_slots, slot: rows})

    @override
    def open_batches(self, program: str | None = None) -> Sequence[ChargebackBatch]:
        ended = {FileStatus.APPLIED, FileStatus.REFUSED}
        return [
            batch
            for batch in map(self.batch, self.batches)
            if (
                not batch.is_made
                or any(not file.is_filed and file.status not in ended for file in batch.files)
            )
            and program in {None, batch.program}
        ]

    @override
    def ended_at(self, intake_ids: Sequence[int]) -> Mapping[int, datetime]:
        return dict.fromkeys(intake_ids, A_MOMENT)

    @override
    def carried_rows(self, batch_id: str) -> Sequence[CarriedRow]:
        keys = (wait.dispute.key for wait in self.waits_to_be_sent if wait.released_to == batch_id)
        return [CarriedRow(key, self.files[key.intake_id].business_date, A_MOMENT) for key in keys]

    @override
    def waiting_rows_of(self, batch_id: str) -> Sequence[RowKey]:
        waits = self.waits_to_be_sent
        return [
            wait.dispute.key
            for wait in waits
            if wait.dispute.batch_id == batch_id and wait.dispute.reason != WaitReason.EVIDENCE
        ]

    @override
    def packages_of(self, batch_id: str) -> Sequence[EvidencePackage]:
        found = {
            package.opening.dispute: package
            for package in self.evidence_packages
            if package.batch_id == batch_id
        }
        for wait in self.waits_to_be_sent:
            dispute = wait.dispute
            if wait.released_to == batch_id and dispute.reason == WaitReason.REJECTED:
                key = DisputeKey(dispute.program, dispute.network, dispute.case_number)
                before = self.packages_of(dispute.batch_id)
                asked = {package.opening.dispute: package for package in before}
                found = {**{one: asked[one] for one in asked if one == key}, **found}
        return [found[key] for key in sorted(found)]

    @override
    def held_disputes(self, program: str | None = None) -> Sequence[WaitingDispute]:
        return [
            wait.dispute
            for wait in self.waits_to_be_sent
            if wait.released_to is None and program in {None, wait.dispute.program}
        ]

    @override
    def waits_of(self, key: DisputeKey, batch_ids: Sequence[str]) -> Sequence[DisputeWait]:
        batches, found = set(batch_ids), list[DisputeWait]()
        for wait in self.waits_to_be_sent:
            held = wait.dispute
            is_own = (held.program, held.network, held.case_number) == astuple(key)
            if is_own and held.batch_id in batches:
                batches.add(wait.released_to or held.batch_id)
                release = (
                    wait.released_to,
                    wait.released_by,
                    wait.release_reason,
                    wait.released_at,
                )
                found.append(
                    DisputeWait(held.batch_id, held.stage, held.reason, held.since, *release)
                )
        return found

    @override
    def release_disputes(
        self, program: str, rows: Sequence[RowKey], *, by: str, why: str
    ) -> ChargebackBatch | None:
        waits = [
            wait
            for wait in self.waits_to_be_sent
            if wait.dispute.key in rows
            and wait.released_to is None
            and wait.dispute.program == program
        ]
        if not waits:
            return None
        mode = self.batch(waits[0].dispute.batch_id).mode
        batch = self.new_batch(program, datetime.now(UTC).date(), mode)
        for wait in waits:
            wait.released_to = batch.batch_id
            wait.released_by, wait.release_reason = by, why
            wait.released_at = datetime.now(UTC)
        return self.batch(batch.batch_id)

    @override
    def dispute_releases(self, program: str, case_numbers: Sequence[str]) -> Sequence[Release]:
        return [
            Release(row.network, row.case_number, row.reason, wait.released_to)
            for wait in self.waits_to_be_sent
            for row in [wait.dispute]
            if wait.released_to and row.program == program and row.case_number in case_numbers
        ]

    @override
    def batch_accounts(self, since: datetime) -> Sequence[BatchAccount]:
        accounts = [
            self._account(batch)
            for batch in map(self.batch, sorted(self.batches))
            if batch.is_made and batch.filed_at and batch.filed_at >= since
        ]
        return [account for account in accounts if account.missing]

    @override
    def dispute_policies(self, program: str) -> Mapping[str, str]:
        return {flag: policy for (name, flag), policy in self.policies.items() if name == program}

    @override
    def set_dispute_policy(self, program: str, flag: str, policy: str, *, set_by: str) -> None:
        self.policies[program, flag] = policy

    @override
    def layouts_in_force(self, program: str) -> Mapping[str, int]:
        last = {layout.destination: layout for layout in self.layouts(program)}
        return {name: found.version for name, found in last.items() if found.definition is not None}

    @override
    def layouts(self, program: str, destination: str | None = None) -> Sequence[StoredLayout]:
        found = [layout for layout in self.stored_layouts if layout.program == program]
        return sorted(
            (layout for layout in found if destination in {None, layout.destination}),
            key=lambda layout: (layout.destination, layout.version),
        )

    @override
    def add_layout(
        self,
        program: str,
        destination: str,
        definition: Mapping[str, Any] | None,
        *,
        set_by: str,
        why: str,
    ) -> int:
        version = len(self.layouts(program, destination)) + 1
        self.stored_layouts.append(
            StoredLayout(program, destination, version, definition, set_by, why)
        )
        return version

    def _account(self, batch: ChargebackBatch) -> BatchAccount:
        return BatchAccount(
            batch.batch_id,
            accepted=sum(file.outcome.accepted for file in batch.filed_files if file.outcome),
            carried=len(self.carried_rows(batch.batch_id)),
            made=sum(batch.made_slots.values()),
            waiting=len(self.waiting_rows_of(batch.batch_id)),
        )
