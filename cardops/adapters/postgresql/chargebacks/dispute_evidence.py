"""DisputeEvidence on PostgreSQL: files that people added to disputes, and what was sent of them."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from cardops.adapters.postgresql.chargebacks.evidence_rows import (
    CHANGE_COLUMNS,
    PACKAGE_COLUMNS,
    change_of,
    changes_of,
    package_of,
    packages_of_dispute,
    stored_files,
)
from cardops.adapters.postgresql.intake.rows import find_batch, insert_batch, next_batch_id
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_files import EvidenceChange, RecordedChange
from cardops.rules.chargebacks.evidence_packages import EvidencePackage, PackageRequest
from cardops.rules.chargebacks.filing import WaitReason
from cardops.rules.chargebacks.queue import Opening

_ADD: Final = f"""
insert into dispute_evidence (
    program, network, case_number, change_number, is_removed, item, content_sha256, file_name,
    media_type, size_bytes, changed_by, why
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
returning {CHANGE_COLUMNS}
"""  # noqa: S608 - only our own names
_SEND: Final = f"""
insert into evidence_packages (
    program, network, case_number, package_number, stage, opening_number, batch_id, action, manifest,
    files, sent_by, why
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
returning {PACKAGE_COLUMNS}
"""  # noqa: S608 - only our own names
# The row is a line of the new batch, beside what it was a line of before.
_CARRY: Final = """
insert into waiting_disputes (
    intake_id, row_number, wait_number, program, batch_id, network, case_number, stage, reason,
    released_to, released_by, release_reason, released_at
)
select
    carried.intake_id, carried.row_number, coalesce(max(w.wait_number), 0) + 1, %s, %s, %s, %s, %s, %s,
    %s, %s, %s, clock_timestamp()
from (select %s::bigint as intake_id, %s::bigint as row_number) as carried
left join waiting_disputes as w
    on w.intake_id = carried.intake_id and w.row_number = carried.row_number
group by carried.intake_id, carried.row_number
"""
_ACCEPTED: Final = """
select program, network, case_number, stage, opening_number from evidence_packages
where action = 'accept' and sent_at >= %s
"""
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
Judge = Callable[[Sequence[RecordedChange]], RecordedChange | None]
JudgePackage = Callable[
    [PackageRequest, Sequence[EvidencePackage], Sequence[RecordedChange]], EvidencePackage | None
]


class PostgresDisputeEvidence:
    """Implements cardops.ports.DisputeEvidence. Opens a session per call, since calls are rare."""

    def __init__(self, url: str) -> None:
        self._url = url

    def change(
        self, dispute: DisputeKey, change: EvidenceChange, judge: Judge
    ) -> tuple[RecordedChange, bool]:
        """The recorded change, and whether it is new; `judge` decides that, or raises."""

        def record(session: psycopg.Connection) -> tuple[RecordedChange, bool]:
            _lock(session, dispute)
            changes = changes_of(session, dispute)
            repeated = judge(changes)
            if repeated is not None:
                return repeated, False
            values = [
                *(dispute.program, dispute.network, dispute.case_number, len(changes) + 1),
                *(change.is_removed, change.item, change.sha256, change.file_name),
                *(change.media_type, change.size_bytes, change.changed_by, change.why),
            ]
            return change_of(session.execute(_ADD, values).fetchone() or ()), True

        return run_in_transaction(self._url, record)

    def changes_of(self, dispute: DisputeKey) -> Sequence[RecordedChange]:
        """The dispute's changes in the order in which they were recorded."""
        return run_in_transaction(self._url, lambda session: changes_of(session, dispute))

    def send(
        self, requests: Sequence[PackageRequest], judge: JudgePackage
    ) -> Sequence[tuple[EvidencePackage, bool]]:
        """The package of each request, and whether it is new; new ones are in one new batch."""

        def record(session: psycopg.Connection) -> list[tuple[EvidencePackage, bool]]:
            # One order for everybody, so that two people who send the same disputes never deadlock.
            for key in sorted({request.opening.dispute for request in requests}):
                _lock(session, key)
            found = list[tuple[EvidencePackage, bool]]()
            batch_id: str | None = None
            for request in requests:
                key = request.opening.dispute
                packages = packages_of_dispute(session, key)
                repeated = judge(request, packages, changes_of(session, key))
                if repeated is not None:
                    found.append((repeated, False))
                    continue
                batch_id = batch_id or _new_batch(session, request)
                found.append((_pack(session, request, len(packages) + 1, batch_id), True))
            return found

        return run_in_transaction(self._url, record)

    def packages_of(self, dispute: DisputeKey) -> Sequence[EvidencePackage]:
        """The dispute's packages in the order in which they were sent."""
        return run_in_transaction(self._url, lambda session: packages_of_dispute(session, dispute))

    def accepted_since(self, since: datetime) -> AbstractSet[Opening]:
        """Openings whose acceptance was given to a batch since then."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_ACCEPTED, [since]).fetchall()
        )
        return {Opening(DisputeKey(*key), stage, number) for *key, stage, number in rows}


def _lock(session: psycopg.Connection, key: DisputeKey) -> None:
    # Two people at once decide one after the other, so the second sees what the first did.
    lock = f"evidence/{key.program}/{key.network}/{key.case_number}"
    session.execute(_LOCK, [lock])  # guard: one-evidence-change-at-a-time


def _new_batch(session: psycopg.Connection, request: PackageRequest) -> str:
    """A batch of the day, split as that of the row was."""
    row = session.execute("select (clock_timestamp() at time zone 'utc')::date").fetchone()
    today = (row or (None,))[0]
    program = request.opening.dispute.program
    batch_id = next_batch_id(session, program, today)
    insert_batch(session, batch_id, program, today, find_batch(session, request.batch_id).mode)
    return batch_id


def _pack(
    session: psycopg.Connection, request: PackageRequest, number: int, batch_id: str
) -> EvidencePackage:
    opening, key = request.opening, request.opening.dispute
    dispute = [key.program, key.network, key.case_number]
    sent = [
        *dispute,
        *(number, opening.stage, opening.number, batch_id, request.action, request.manifest),
        *(Jsonb(stored_files(request.files)), request.sent_by, request.why),
    ]
    carried = [
        *(key.program, request.batch_id, key.network, key.case_number, opening.stage),
        *(WaitReason.EVIDENCE, batch_id, request.sent_by, request.why),
        *(request.row.intake_id, request.row.row_number),
    ]
    session.execute(_CARRY, carried)
    return package_of(session.execute(_SEND, sent).fetchone() or ())
