"""Evidence of disputes in memory, beside a fake intake ledger that has the batches."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from typing_extensions import override

from cardops.ports import Clock, DisputeEvidence
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_files import EvidenceChange, RecordedChange
from cardops.rules.chargebacks.evidence_packages import EvidencePackage, PackageRequest
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.filing import WaitingDispute, WaitReason
from cardops.rules.chargebacks.queue import Opening
from tests.fakes.clock import FakeClock
from tests.fakes.filed_batches import FakeWait
from tests.fakes.intake_ledger import FakeIntakeLedger


@dataclass
class FakeDisputeEvidence(DisputeEvidence):
    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    clock: Clock = field(default_factory=FakeClock)
    changes: list[RecordedChange] = field(default_factory=list)

    @override
    def change(
        self,
        dispute: DisputeKey,
        change: EvidenceChange,
        judge: Callable[[Sequence[RecordedChange]], RecordedChange | None],
    ) -> tuple[RecordedChange, bool]:
        known = self.changes_of(dispute)
        repeated = judge(known)
        if repeated is not None:
            return repeated, False
        recorded = RecordedChange(dispute, change, len(known) + 1, self.clock.now())
        self.changes.append(recorded)
        return recorded, True

    @override
    def changes_of(self, dispute: DisputeKey) -> Sequence[RecordedChange]:
        return [recorded for recorded in self.changes if recorded.dispute == dispute]

    @override
    def send(
        self,
        requests: Sequence[PackageRequest],
        judge: Callable[
            [PackageRequest, Sequence[EvidencePackage], Sequence[RecordedChange]],
            EvidencePackage | None,
        ],
    ) -> Sequence[tuple[EvidencePackage, bool]]:
        judged = [
            judge(request, self.packages_of(key), self.changes_of(key))
            for request in requests
            for key in [request.opening.dispute]
        ]
        batch_id = ""
        found = []
        for request, repeated in zip(requests, judged, strict=True):
            if repeated is not None:
                found.append((repeated, False))
                continue
            batch_id = batch_id or self._new_batch(request)
            found.append((self._pack(request, batch_id), True))
        return found

    @override
    def packages_of(self, dispute: DisputeKey) -> Sequence[EvidencePackage]:
        packages = self.ledger.evidence_packages
        return [package for package in packages if package.opening.dispute == dispute]

    @override
    def accepted_since(self, since: datetime) -> AbstractSet[Opening]:
        return {
            package.opening
            for package in self.ledger.evidence_packages
            if package.action is Action.ACCEPT and package.sent_at >= since
        }

    def _new_batch(self, request: PackageRequest) -> str:
        program = request.opening.dispute.program
        mode = self.ledger.batch_mode(request.batch_id)
        return self.ledger.new_batch(program, self.clock.now().date(), mode).batch_id

    def _pack(self, request: PackageRequest, batch_id: str) -> EvidencePackage:
        key, now = request.opening.dispute, self.clock.now()
        carried = WaitingDispute(
            request.row,
            key.program,
            request.batch_id,
            key.network,
            key.case_number,
            request.opening.stage,
            WaitReason.EVIDENCE,
            now,
        )
        self.ledger.waits_to_be_sent.append(FakeWait(carried, released_to=batch_id))
        package = EvidencePackage(
            request.opening,
            len(self.packages_of(key)) + 1,
            batch_id,
            request.action,
            request.manifest,
            request.files,
            request.sent_by,
            request.why,
            now,
        )
        self.ledger.evidence_packages.append(package)
        return package
