"""Which rows a batch's chargeback files have, in PostgreSQL: decided once, and what waits instead.

Belongs here: the lock order. Whoever decides about a batch and whoever begins one of its files lock the
batch's row first, so a file is either counted or goes into a later batch, never neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Final, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.chargebacks.evidence_rows import packages_of_batch
from cardops.adapters.postgresql.intake.rows import (
    SELECT_BATCH,
    batch_of,
    find_batch,
    insert_batch,
    next_batch_id,
)
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.filing import (
    BatchAccount,
    BatchUnfinishedError,
    CarriedRow,
    DisputeWait,
    Release,
    RowKey,
    WaitingDispute,
)
from cardops.rules.intake.files import ChargebackBatch, FileStatus

_LOCK_BATCH: Final = "select filed_at from chargeback_batches where batch_id = %s for update"
_OPEN: LiteralString = (
    "where batch_id = any(array("
    "select b.batch_id from chargeback_batches as b where"
    " not jsonb_exists_all(b.made_slots, array['visa', 'mastercard', 'amex', 'discover'])"
    " union select f.batch_id from intake_files as f where f.batch_id is not null"
    " and not f.is_filed and f.status <> 'applied' and f.status <> 'refused'))"
    " and program = coalesce(%s, program) order by business_date, number, program"
)
_HOLD: Final = (
    "insert into waiting_disputes (intake_id, row_number, wait_number, program, batch_id, network,"
    " case_number, stage, reason)"
    " select w.intake_id, w.row_number, coalesce(("
    " select max(o.wait_number) from waiting_disputes as o"
    " where o.intake_id = w.intake_id and o.row_number = w.row_number"
    " ), 0) + 1, %s, %s, w.network, w.case_number, w.stage, w.reason"
    " from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])"
    " as w (intake_id, row_number, network, case_number, stage, reason)"
)
_HELD: Final = (
    "select intake_id, row_number, program, batch_id, network, case_number, stage, reason,"
    " waiting_since from waiting_disputes"
    " where released_to is null and program = coalesce(%s, program)"
    " order by waiting_since, intake_id, row_number"
)
_WAITS_OF: Final = """
with recursive waits as (
    select
        w.intake_id, w.row_number, w.wait_number, w.batch_id, w.stage, w.reason, w.waiting_since,
        w.released_to, w.released_by, w.release_reason, w.released_at
    from waiting_disputes as w
    where
        w.batch_id = any(%(batch_ids)s)
        and w.program = %(program)s and w.network = %(network)s and w.case_number = %(case)s
    union
    select
        w.intake_id, w.row_number, w.wait_number, w.batch_id, w.stage, w.reason, w.waiting_since,
        w.released_to, w.released_by, w.release_reason, w.released_at
    from waits as e
    inner join waiting_disputes as w on w.batch_id = e.released_to
    where w.program = %(program)s and w.network = %(network)s and w.case_number = %(case)s
)

select
    batch_id, stage, reason, waiting_since, released_to, released_by, release_reason, released_at
from waits
order by waiting_since, intake_id, row_number
"""
_RELEASE: Final = (
    "update waiting_disputes as w set released_to = %s, released_by = %s, release_reason = %s,"
    " released_at = clock_timestamp()"
    " from unnest(%s::bigint[], %s::bigint[]) as wanted (intake_id, row_number)"
    " where w.intake_id = wanted.intake_id and w.row_number = wanted.row_number"
    " and w.program = %s and w.released_to is null returning w.batch_id"
)
_ADD_POLICY: Final = """
insert into dispute_policy_changes (program, flag, change_number, policy, set_by)
select
    change.program, change.flag, coalesce(max(c.change_number), 0) + 1, change.policy,
    change.set_by
from (
    select %s::text as program, %s::text as flag, %s::text as policy, %s::text as set_by
) as change
left join dispute_policy_changes as c
    on c.program = change.program and c.flag = change.flag
group by change.program, change.flag, change.policy, change.set_by
"""
# What a batch's own files accepted, and what was released into it, must be in its files or wait.
_ACCOUNTS: Final = """
with filed as (
    select
        b.batch_id,
        (
            select coalesce(sum((f.outcome ->> 'accepted')::bigint), 0)::bigint
            from intake_files as f where f.batch_id = b.batch_id and f.is_filed
        ) as accepted,
        (
            select count(*) from waiting_disputes as w where w.released_to = b.batch_id
        ) as carried,
        (
            select coalesce(sum(s.value::bigint), 0)::bigint
            from jsonb_each_text(b.made_slots) as s
        ) as made,
        (
            -- A row that was rejected, or that goes again with evidence, was in its file.
            select count(*) from waiting_disputes as w
            where w.batch_id = b.batch_id and w.reason not in ('rejected', 'evidence')
        ) as waiting
    from chargeback_batches as b
    where
        b.filed_at >= %s
        and jsonb_exists_all(b.made_slots, array['visa', 'mastercard', 'amex', 'discover'])
)

select batch_id, accepted, carried, made, waiting from filed
where accepted + carried <> made + waiting
order by batch_id
"""


class FiledBatches:
    """The part of the IntakeLedger port for batches and the rows of their files."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def filing(self, batch_id: str) -> Iterator[None]:
        """One at a time decides which rows a batch's files have."""
        with advisory_lock(self.url, f"filing/{batch_id}"):
            yield

    def file_batch(
        self,
        batch_id: str,
        intake_ids: Sequence[int],
        *,
        held: Sequence[WaitingDispute] = (),
        layouts: Mapping[str, int] | None = None,
    ) -> ChargebackBatch:
        """Decide which rows its chargeback files have. Raises BatchUnfinishedError."""
        operation = partial(
            _file_batch,
            batch_id=batch_id,
            intake_ids=intake_ids,
            held=held,
            layouts=layouts or {},
        )
        return run_in_transaction(self.url, operation)

    def slot_made(self, batch_id: str, slot: str, rows: int) -> None:
        """The slot's file is made and accounts for so many accepted rows."""
        self._execute(
            "update chargeback_batches set made_slots = made_slots || %s where batch_id = %s",
            Jsonb({slot: rows}),
            batch_id,
        )

    def open_batches(self, program: str | None = None) -> Sequence[ChargebackBatch]:
        """Batches with a slot that was not built, or a file that ended in none of them; oldest first."""
        return run_in_transaction(self.url, partial(_open, program=program))

    def ended_at(self, intake_ids: Sequence[int]) -> Mapping[int, datetime]:
        """When the ingestion of each file ended, else when it was claimed."""
        rows = self._fetched(
            "select intake_id, coalesce(ended_at, claimed_at) from intake_files"
            " where intake_id = any(%s)",
            list(intake_ids),
        )
        return dict(rows)

    def carried_rows(self, batch_id: str) -> Sequence[CarriedRow]:
        """Rows of earlier batches that were released into this one."""
        rows = self._fetched(
            "select w.intake_id, w.row_number, f.business_date, w.released_at from waiting_disputes as w"
            " inner join intake_files as f on f.intake_id = w.intake_id"
            " where w.released_to = %s order by w.intake_id, w.row_number",
            batch_id,
        )
        return [CarriedRow(RowKey(file, number), *rest) for file, number, *rest in rows]

    def waiting_rows_of(self, batch_id: str) -> Sequence[RowKey]:
        """Rows of the batch that its files do not have."""
        rows = self._fetched(
            "select intake_id, row_number from waiting_disputes"
            " where batch_id = %s and reason not in ('rejected', 'evidence')"
            " order by intake_id, row_number",
            batch_id,
        )
        return [RowKey(*row) for row in rows]

    def packages_of(self, batch_id: str) -> Sequence[EvidencePackage]:
        """Evidence that goes with the batch's files, by network and case number."""
        return run_in_transaction(self.url, partial(packages_of_batch, batch_id=batch_id))

    def held_disputes(self, program: str | None = None) -> Sequence[WaitingDispute]:
        """Rows that are held, those that wait longest first."""
        return [_waiting_of(row) for row in self._fetched(_HELD, program)]

    def waits_of(self, key: DisputeKey, batch_ids: Sequence[str]) -> Sequence[DisputeWait]:
        """How a dispute was held, in these batches and those it was released into, in that order."""
        values = {
            "batch_ids": list(batch_ids),
            "program": key.program,
            "network": key.network,
            "case": key.case_number,
        }
        rows = run_in_transaction(
            self.url, lambda session: session.execute(_WAITS_OF, values).fetchall()
        )
        return [DisputeWait(*row) for row in rows]

    def release_disputes(
        self, program: str, rows: Sequence[RowKey], *, by: str, why: str
    ) -> ChargebackBatch | None:
        """A new batch with those of the rows that are held; None where none is."""
        return run_in_transaction(
            self.url, partial(release_rows, program=program, rows=rows, by=by, why=why)
        )

    def dispute_releases(self, program: str, case_numbers: Sequence[str]) -> Sequence[Release]:
        """What people released of these disputes, in that order."""
        rows = self._fetched(
            "select network, case_number, reason, released_to from waiting_disputes"
            " where program = %s and case_number = any(%s) and released_to is not null"
            " order by released_at, intake_id, row_number",
            program,
            list(case_numbers),
        )
        return [Release(*row) for row in rows]

    def batch_accounts(self, since: datetime) -> Sequence[BatchAccount]:
        """Made batches whose rows do not add up, of those filed since then."""
        return [BatchAccount(*row) for row in self._fetched(_ACCOUNTS, since)]

    def dispute_policies(self, program: str) -> Mapping[str, str]:
        """Flag -> `send` or `hold`, of flags for which the program has a policy."""
        rows = self._fetched(
            "select distinct on (flag) flag, policy from dispute_policy_changes"
            " where program = %s order by flag, change_number desc",
            program,
        )
        return dict(rows)

    def set_dispute_policy(self, program: str, flag: str, policy: str, *, set_by: str) -> None:
        """From now on disputes with the flag are sent or held. Audited."""
        values = [program, flag, policy, set_by]
        run_in_transaction(self.url, partial(_set_policy, values=values))

    def _execute(self, statement: LiteralString, *values: object) -> None:
        run_in_transaction(self.url, lambda session: session.execute(statement, values))

    def _fetched(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self.url, lambda session: session.execute(query, values).fetchall()
        )


def _set_policy(session: psycopg.Connection, values: Sequence[str]) -> None:
    # Two people at once make two changes, one after the other.
    key = f"dispute policies/{values[0]}/{values[1]}"
    session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
    session.execute(_ADD_POLICY, values)


def move_to_later_batch(session: psycopg.Connection, intake_id: int) -> None:
    """A file whose batch was filed without it gets a batch of its own, before it is begun."""
    own = "select batch_id, is_filed, business_date, program from intake_files where intake_id = %s"
    row = session.execute(own, [intake_id]).fetchone()
    if row is None or row[0] is None:
        return
    locked = session.execute(_LOCK_BATCH, [row[0]]).fetchone()
    # The batch may have been filed with it while this waited for the lock.
    batch_id, is_filed, business_date, program = session.execute(own, [intake_id]).fetchone() or row
    if locked is None or locked[0] is None or is_filed:
        return
    mode = find_batch(session, batch_id).mode
    # Its date stays: its rows in the lake are replaced where they are.
    later = next_batch_id(session, program, business_date)
    insert_batch(session, later, program, business_date, mode)
    session.execute(
        "update intake_files set batch_id = %s where intake_id = %s",
        [later, intake_id],
    )


def _file_batch(
    session: psycopg.Connection,
    batch_id: str,
    intake_ids: Sequence[int],
    held: Sequence[WaitingDispute],
    layouts: Mapping[str, int],
) -> ChargebackBatch:
    session.execute(_LOCK_BATCH, [batch_id])  # guard: filed-once
    batch = find_batch(session, batch_id)
    if batch.filed_at is not None:
        return batch
    applied = {file.intake_id for file in batch.files if file.status is FileStatus.APPLIED}
    unfinished = [file.arrival.key for file in batch.unfinished_files]
    if unfinished or applied != set(intake_ids):
        raise BatchUnfinishedError(batch_id, unfinished or [batch_id])
    session.execute(
        "update intake_files set is_filed = true where intake_id = any(%s)", [list(intake_ids)]
    )
    hold_rows(session, batch.program, batch_id, held)
    session.execute(
        "update chargeback_batches set filed_at = clock_timestamp(), layouts = %s"
        " where batch_id = %s",
        [Jsonb(dict(layouts)), batch_id],
    )
    return find_batch(session, batch_id)


def hold_rows(
    session: psycopg.Connection, program: str, batch_id: str, rows: Sequence[WaitingDispute]
) -> None:
    """Rows of that batch wait from now on."""
    if rows:
        columns = zip(*map(_held_values, rows), strict=True)
        session.execute(_HOLD, [program, batch_id, *map(list, columns)])


def _held_values(row: WaitingDispute) -> tuple[object, ...]:
    key = row.key
    return (key.intake_id, key.row_number, row.network, row.case_number, row.stage, row.reason)


def _open(session: psycopg.Connection, program: str | None) -> list[ChargebackBatch]:
    rows = session.execute(SELECT_BATCH + _OPEN, [program]).fetchall()
    return [batch_of(session, row) for row in rows]


def release_rows(
    session: psycopg.Connection, program: str, rows: Sequence[RowKey], by: str, why: str
) -> ChargebackBatch | None:
    """A new batch with those of the rows that wait; None where none does."""
    today = session.execute("select (clock_timestamp() at time zone 'utc')::date").fetchone()
    if today is None:
        return None
    batch_id = next_batch_id(session, program, today[0])
    values = [[row.intake_id for row in rows], [row.row_number for row in rows]]
    released = session.execute(_RELEASE, [batch_id, by, why, *values, program]).fetchall()
    if not released:
        return None
    mode = find_batch(session, released[0][0]).mode
    insert_batch(session, batch_id, program, today[0], mode)
    return find_batch(session, batch_id)


def _waiting_of(row: tuple[Any, ...]) -> WaitingDispute:
    intake_id, row_number, *rest = row
    return WaitingDispute(RowKey(intake_id, row_number), *rest)
