"""Rows of evidence in PostgreSQL, as the rules know them.

Belongs here: reading rows. Who decides what is added is in the modules that use this.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, LiteralString

import psycopg

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_files import EvidenceChange, RecordedChange
from cardops.rules.chargebacks.evidence_packages import EvidencePackage, PackedFile
from cardops.rules.chargebacks.files import Action
from cardops.rules.chargebacks.queue import Opening

CHANGE_COLUMNS: Final[LiteralString] = (
    "program, network, case_number, change_number, changed_at, item, content_sha256, file_name,"
    " media_type, size_bytes, changed_by, why, is_removed"
)
PACKAGE_COLUMNS: Final[LiteralString] = (
    "program, network, case_number, package_number, stage, opening_number, batch_id, action, manifest,"
    " files, sent_by, why, sent_at"
)
_CHANGES: Final[LiteralString] = (
    f"select {CHANGE_COLUMNS} from dispute_evidence"  # noqa: S608 - only our own names
    " where program = %s and network = %s and case_number = %s order by change_number"
)
_PACKAGES: Final[LiteralString] = (
    f"select {PACKAGE_COLUMNS} from evidence_packages"  # noqa: S608 - only our own names
    " where program = %s and network = %s and case_number = %s order by package_number"
)
_OWN_COLUMNS: Final[LiteralString] = (
    "program, package_number, stage, opening_number, action, manifest, files, sent_by, why, sent_at"
)
# A line that the card company rejected asks in its next file for what it asked for before, with the same
# evidence, however often it is rejected. Each is looked up: there are few.
_OF_BATCH: Final[LiteralString] = f"""
with recursive asked as (
    select batch_id, network, case_number from evidence_packages where batch_id = %(batch)s
    union
    select batch_id, network, case_number from waiting_disputes
    where released_to = %(batch)s and reason = 'rejected'
    union
    select w.batch_id, w.network, w.case_number
    from asked as a
    cross join lateral (
        select batch_id, network, case_number from waiting_disputes as d
        where
            d.released_to = a.batch_id and d.reason = 'rejected'
            and d.network = a.network and d.case_number = a.case_number
        offset 0
    ) as w
)

select distinct on (network, case_number) {PACKAGE_COLUMNS}
from asked
cross join lateral (
    select {_OWN_COLUMNS} from evidence_packages as e
    where
        e.batch_id = asked.batch_id and e.network = asked.network
        and e.case_number = asked.case_number
    limit 1
) as package
order by network, case_number, sent_at desc
"""  # noqa: S608 - only our own names


def changes_of(session: psycopg.Connection, key: DisputeKey) -> list[RecordedChange]:
    """The dispute's changes in the order in which they were recorded."""
    values = [key.program, key.network, key.case_number]
    return [change_of(row) for row in session.execute(_CHANGES, values)]


def packages_of_dispute(session: psycopg.Connection, key: DisputeKey) -> list[EvidencePackage]:
    """The dispute's packages in the order in which they were sent."""
    values = [key.program, key.network, key.case_number]
    return [package_of(row) for row in session.execute(_PACKAGES, values)]


def packages_of_batch(session: psycopg.Connection, batch_id: str) -> list[EvidencePackage]:
    """The batch's packages, and those of lines rejected before, by network and case number."""
    return [package_of(row) for row in session.execute(_OF_BATCH, {"batch": batch_id})]


def change_of(row: tuple[Any, ...]) -> RecordedChange:
    """A row of CHANGE_COLUMNS."""
    program, network, case_number, number, changed_at, *change = row
    key = DisputeKey(program, network, case_number)
    return RecordedChange(key, EvidenceChange(*change), number, changed_at)


def package_of(row: tuple[Any, ...]) -> EvidencePackage:
    """A row of PACKAGE_COLUMNS."""
    program, network, case_number, number, stage, opening, batch_id, action, manifest, *rest = row
    files, *sent = rest
    return EvidencePackage(
        Opening(DisputeKey(program, network, case_number), stage, opening),
        number,
        batch_id,
        Action(action),
        manifest,
        tuple(PackedFile(**file) for file in files),
        *sent,
    )


def stored_files(files: Sequence[PackedFile]) -> list[dict[str, Any]]:
    """The files of a package as they are stored."""
    return [asdict(file) for file in files]
