"""Use cases composed over the adapters of one home, for commands, the demo and proofs alike.

Belongs here: services that more than one of them needs. Assets and sensors ask for ports instead.
Each is imported when it is asked for: comparing books loads nothing that judges files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cardops.bootstrap import Adapters
    from cardops.rules.intake.files import Kind
    from cardops.services.bank.safeguarding import SafeguardingService
    from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
    from cardops.services.disputes.acceptances import Acceptances
    from cardops.services.disputes.alarms import DeadlineAlarms
    from cardops.services.disputes.evidence import EvidenceService
    from cardops.services.disputes.evidence_sending import EvidenceSending
    from cardops.services.disputes.history import DisputeHistories
    from cardops.services.disputes.queue import QueueService
    from cardops.services.disputes.recording import DisputeRecording
    from cardops.services.intake.claiming import Claims
    from cardops.services.intake.expected_files import ExpectedFileService
    from cardops.services.intake.held_files import HeldFiles
    from cardops.services.intake.ports import IntakePorts
    from cardops.services.provisional.crediting import ProvisionalCredits
    from cardops.services.reconciliation.reconciling import ReconciliationService


def claims_of(adapters: Adapters) -> Claims:
    """What claims files; their business date is the database's."""
    from cardops.services.intake.claiming import Claims

    return Claims(
        adapters.raw_store,
        adapters.failed_store,
        adapters.intake_ledger,
        adapters.programs,
        adapters.database_clock,
    )


def ingest_paths(adapters: Adapters, kind: Kind, program: str, paths: Sequence[Path]) -> None:
    """Put the files into the raw store and ingest them as one batch, without Dagster."""
    from cardops.services.intake.ingestion import ingest_files

    claims = claims_of(adapters)
    claimed = claims.claim(kind, claims.put(kind, program, paths))
    ingest_files(claimed, [], intake_ports_of(adapters))


def intake_ports_of(adapters: Adapters) -> IntakePorts:
    """What ingests claimed deposit files without Dagster; its instants are the database's."""
    from cardops.services.intake.applying import CreditDeposits
    from cardops.services.intake.ports import IntakePorts

    return IntakePorts(
        raw_store=adapters.raw_store,
        failed_store=adapters.failed_store,
        lake=adapters.lake,
        intake_ledger=adapters.intake_ledger,
        known_rows=adapters.known_rows,
        programs=adapters.programs,
        source_controls=adapters.source_controls,
        clock=adapters.database_clock,
        appliers={"deposit_ledger": CreditDeposits(adapters.deposit_ledger)},
    )


def expected_files_of(adapters: Adapters) -> ExpectedFileService:
    """The calendar of expected files, by the database's clock."""
    from cardops.services.intake.expected_files import ExpectedFileService

    return ExpectedFileService(adapters.expected_files, adapters.database_clock)


def safeguarding_of(adapters: Adapters) -> SafeguardingService:
    """What compares money at the bank with money owed."""
    from cardops.services.bank.safeguarding import SafeguardingService

    return SafeguardingService(adapters.safeguarding_accounts, adapters.lake)


def provisional_credits_of(adapters: Adapters) -> ProvisionalCredits:
    """What disputes give back to users."""
    from cardops.services.provisional.crediting import ProvisionalCredits

    return ProvisionalCredits(
        adapters.provisional_policies, adapters.provisional_ledger, adapters.lake
    )


def held_files_of(adapters: Adapters) -> HeldFiles:
    """Files that wait for a control file or an approval."""
    from cardops.services.intake.held_files import HeldFiles

    return HeldFiles(
        adapters.source_controls,
        adapters.intake_ledger,
        adapters.raw_store,
        adapters.failed_store,
        adapters.database_clock,
    )


def reconciliation_of(adapters: Adapters) -> ReconciliationService:
    """What compares the books with their sources."""
    from cardops.services.reconciliation.reconciling import ReconciliationService

    return ReconciliationService(
        adapters.books,
        adapters.lake,
        adapters.lake_books,
        adapters.transaction_log,
        adapters.raw_store,
        expected_files_of(adapters),
    )


def dispute_queue_of(adapters: Adapters) -> QueueService:
    """The work queue of disputes, as of the database's date."""
    from cardops.services.disputes.queue import QueueService

    return QueueService(adapters.disputes, adapters.dispute_records, adapters.database_clock)


def dispute_recording_of(adapters: Adapters) -> DisputeRecording:
    """What records the work of operators."""
    from cardops.services.disputes.recording import DisputeRecording

    return DisputeRecording(adapters.disputes, adapters.dispute_records)


def evidence_service_of(adapters: Adapters) -> EvidenceService:
    """What tells and changes the evidence of disputes."""
    from cardops.services.disputes.evidence import EvidenceService

    return EvidenceService(
        dispute_recording_of(adapters),
        adapters.dispute_evidence,
        adapters.lake,
        adapters.processed_store,
    )


def evidence_sending_of(adapters: Adapters) -> EvidenceSending:
    """What puts evidence into batches."""
    from cardops.services.disputes.evidence_sending import EvidenceSending

    return EvidenceSending(evidence_service_of(adapters), adapters.intake_ledger)


def acceptances_of(adapters: Adapters) -> Acceptances:
    """What tells card companies of accepted disputes."""
    from cardops.services.disputes.acceptances import Acceptances

    return Acceptances(
        dispute_recording_of(adapters),
        adapters.dispute_evidence,
        adapters.intake_ledger,
        adapters.database_clock,
    )


def dispute_histories_of(adapters: Adapters) -> DisputeHistories:
    """What tells all that is known of one dispute."""
    from cardops.services.disputes.history import DisputeHistories

    return DisputeHistories(
        dispute_recording_of(adapters),
        adapters.delivery_ledger,
        adapters.acknowledgements,
        adapters.intake_ledger,
        adapters.provisional_ledger,
        adapters.lake,
        adapters.processed_store,
        adapters.database_clock,
        evidence_service_of(adapters),
    )


def deadline_alarms_of(adapters: Adapters) -> DeadlineAlarms:
    """What raises alarms of deadlines, as of the database's date."""
    from cardops.services.disputes.alarms import DeadlineAlarms

    return DeadlineAlarms(
        adapters.disputes,
        adapters.dispute_records,
        adapters.dispute_alarms,
        adapters.database_clock,
    )


def chargeback_files_of(adapters: Adapters) -> ChargebackFileBuilder:
    """What makes the files of sealed batches, and makes them again."""
    from cardops.services.chargebacks.batch_files import ChargebackFileBuilder

    return ChargebackFileBuilder(
        adapters.lake,
        adapters.processed_store,
        adapters.intake_ledger,
        adapters.delivery_ledger,
        adapters.destinations,
    )
