"""Chargeback batches: which rows their files have, and which rows wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from cardops.rules.chargebacks.disputes import DisputeKey
    from cardops.rules.chargebacks.evidence_packages import EvidencePackage
    from cardops.rules.chargebacks.filing import (
        BatchAccount,
        CarriedRow,
        DisputeWait,
        Release,
        RowKey,
        WaitingDispute,
    )
    from cardops.rules.chargebacks.layouts import StoredLayout
    from cardops.rules.intake.files import ChargebackBatch


class FiledBatches(Protocol):
    """What is decided once for each batch, and what is in no file."""

    def filing(self, batch_id: str) -> AbstractContextManager[None]:
        """One at a time decides which rows a batch's files have."""

    def file_batch(
        self,
        batch_id: str,
        intake_ids: Sequence[int],
        *,
        held: Sequence[WaitingDispute] = (),
        layouts: Mapping[str, int] | None = None,
    ) -> ChargebackBatch:
        """The rows of these files, without the held ones, are those of its chargeback files, for good.

        A batch that is filed stays as it is. Raises BatchUnfinishedError where other files than these
        are applied by now, or one is being ingested.
        """

    def slot_made(self, batch_id: str, slot: str, rows: int) -> None:
        """The slot's file is made and accounts for so many accepted rows; 0: it has none."""

    def open_batches(self, program: str | None = None) -> Sequence[ChargebackBatch]:
        """Batches with a slot that was not built, or a file that ended in none of them; oldest first."""

    def ended_at(self, intake_ids: Sequence[int]) -> Mapping[int, datetime]:
        """When the ingestion of each file ended, else when it was claimed."""

    def carried_rows(self, batch_id: str) -> Sequence[CarriedRow]:
        """Rows of earlier batches that were released into this one."""

    def waiting_rows_of(self, batch_id: str) -> Sequence[RowKey]:
        """Rows of the batch that its files do not have: held, whether released since or not."""

    def packages_of(self, batch_id: str) -> Sequence[EvidencePackage]:
        """Evidence that goes with the batch's files, by network and case number."""

    def held_disputes(self, program: str | None = None) -> Sequence[WaitingDispute]:
        """Rows that are held, those that wait longest first. Never cut."""

    def waits_of(self, key: DisputeKey, batch_ids: Sequence[str]) -> Sequence[DisputeWait]:
        """How a dispute was held, in these batches and those it was released into, in that order."""

    def release_disputes(
        self, program: str, rows: Sequence[RowKey], *, by: str, why: str
    ) -> ChargebackBatch | None:
        """A new batch with those of the rows that are held; None where none is. Audited."""

    def dispute_releases(self, program: str, case_numbers: Sequence[str]) -> Sequence[Release]:
        """What people released of these disputes, in that order."""

    def batch_accounts(self, since: datetime) -> Sequence[BatchAccount]:
        """Made batches whose rows do not add up, of those filed since then."""

    def dispute_policies(self, program: str) -> Mapping[str, str]:
        """Flag -> `send` or `hold`, of flags for which the program has a policy."""

    def set_dispute_policy(self, program: str, flag: str, policy: str, *, set_by: str) -> None:
        """From now on disputes with the flag are sent or held. Audited."""

    def layouts_in_force(self, program: str) -> Mapping[str, int]:
        """Destination -> version of the program's own layout; absent: the standard one."""

    def layouts(self, program: str, destination: str | None = None) -> Sequence[StoredLayout]:
        """Every version, oldest first."""

    def add_layout(
        self,
        program: str,
        destination: str,
        definition: Mapping[str, Any] | None,
        *,
        set_by: str,
        why: str,
    ) -> int:
        """The version that is in force for batches filed from now on; None: the standard one. Audited."""
