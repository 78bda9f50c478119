"""DisputeRecords on PostgreSQL: what operators recorded about disputes."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.queue import DisputeRecord, Opening, RecordKind, RecordRequest

_COLUMNS: Final = (
    "program, network, case_number, record_number, kind, stage, opening_number, owner, record_text,"
    " recorded_by, recorded_at"
)
_OF_DISPUTE: Final = f"""
select {_COLUMNS}
from dispute_records
where program = %s and network = %s and case_number = %s
order by record_number
"""  # noqa: S608 - only our own names
_ADD: Final = f"""
insert into dispute_records (
    program, network, case_number, record_number, kind, stage, opening_number, owner, record_text,
    recorded_by
)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
returning {_COLUMNS}
"""  # noqa: S608 - only our own names
# Disputes that somebody worked on, not all of them: people add these records one by one.
_STANDING: Final = f"""
select distinct on (program, network, case_number, kind = 'assign') {_COLUMNS}
from dispute_records
where kind <> 'note'
order by program, network, case_number, kind = 'assign', record_number desc
"""  # noqa: S608 - only our own names
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
Judge = Callable[[Sequence[DisputeRecord]], DisputeRecord | None]


class PostgresDisputeRecords:
    """Implements cardops.ports.DisputeRecords. Opens a session per call, since calls are rare."""

    def __init__(self, url: str) -> None:
        self._url = url

    def add(self, request: RecordRequest, judge: Judge) -> tuple[DisputeRecord, bool]:
        """The request's record, and whether it is new; `judge` decides that, or raises."""
        key = request.opening.dispute

        def add_record(session: psycopg.Connection) -> tuple[DisputeRecord, bool]:
            # Two people at once decide one after the other, so the second sees what the first did.
            lock = f"disputes/{key.program}/{key.network}/{key.case_number}"
            session.execute(_LOCK, [lock])  # guard: one-record-at-a-time
            records = _records(session, key)
            repeated = judge(records)
            if repeated is not None:
                return repeated, False
            values = [
                *(key.program, key.network, key.case_number, len(records) + 1, request.kind),
                *(request.opening.stage, request.opening.number, request.owner, request.text),
                request.recorded_by,
            ]
            return _record(session.execute(_ADD, values).fetchone() or ()), True

        return run_in_transaction(self._url, add_record)

    def of_dispute(self, dispute: DisputeKey) -> Sequence[DisputeRecord]:
        """The dispute's records in the order in which they were added."""
        return run_in_transaction(self._url, lambda session: _records(session, dispute))

    def standing(self) -> Sequence[DisputeRecord]:
        """Of each dispute the last assignment and the last decision."""
        rows = run_in_transaction(self._url, lambda session: session.execute(_STANDING).fetchall())
        return [_record(row) for row in rows]


def _records(session: psycopg.Connection, key: DisputeKey) -> list[DisputeRecord]:
    values = [key.program, key.network, key.case_number]
    return [_record(row) for row in session.execute(_OF_DISPUTE, values)]


def _record(row: tuple[Any, ...]) -> DisputeRecord:
    program, network, case_number, number, kind, stage, opening, owner, text, by, at = row
    opened = Opening(DisputeKey(program, network, case_number), stage, opening)
    return DisputeRecord(RecordRequest(RecordKind(kind), opened, by, text, owner), number, at)
