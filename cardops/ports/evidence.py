"""Evidence of disputes: the files that people added, and what was sent of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from cardops.rules.chargebacks.disputes import DisputeKey
    from cardops.rules.chargebacks.evidence_files import EvidenceChange, RecordedChange
    from cardops.rules.chargebacks.evidence_packages import EvidencePackage, PackageRequest
    from cardops.rules.chargebacks.queue import Opening


class DisputeEvidence(Protocol):
    """What is on record; records are added, never changed. The bytes are in the processed store."""

    def change(
        self,
        dispute: DisputeKey,
        change: EvidenceChange,
        judge: Callable[[Sequence[RecordedChange]], RecordedChange | None],
    ) -> tuple[RecordedChange, bool]:
        """The recorded change, and whether it is new.

        `judge` gets the dispute's changes and returns the one that this repeats, or raises; until it is
        stored, nobody else can change the dispute's evidence.
        """

    def changes_of(self, dispute: DisputeKey) -> Sequence[RecordedChange]:
        """The dispute's changes in the order in which they were recorded."""

    def send(
        self,
        requests: Sequence[PackageRequest],
        judge: Callable[
            [PackageRequest, Sequence[EvidencePackage], Sequence[RecordedChange]],
            EvidencePackage | None,
        ],
    ) -> Sequence[tuple[EvidencePackage, bool]]:
        """The package of each request, which are of one program, and whether it is new.

        New ones go into one new batch, each with its row, all or none. `judge` gets what is on record
        of the request's dispute and returns the package that it repeats, or raises.
        """

    def packages_of(self, dispute: DisputeKey) -> Sequence[EvidencePackage]:
        """The dispute's packages in the order in which they were sent."""

    def accepted_since(self, since: datetime) -> AbstractSet[Opening]:
        """Openings whose acceptance was given to a batch since then."""
