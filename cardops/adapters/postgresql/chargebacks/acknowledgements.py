"""Acknowledgements on PostgreSQL: each file once, the first that fits stands, rejected rows wait.

Belongs here: what is stored in one transaction, and the lock order: the delivery, then batches.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, LiteralString

import psycopg

from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.chargebacks.acknowledgement_rows import (
    OF_FILE,
    SELECT,
    FileKey,
    identity,
    rejection_of,
    stored_of,
    values_of,
)
from cardops.adapters.postgresql.chargebacks.filed_batches import hold_rows, release_rows
from cardops.adapters.postgresql.chargebacks.verdicts import SELECT_VERDICTS, verdict_of
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute, WaitReason
from cardops.rules.deliveries.acknowledgements import (
    AcknowledgedRows,
    Acknowledgement,
    AcknowledgementOutcome,
    ReceivedFile,
    RejectedRow,
    StoredAcknowledgement,
)
from cardops.rules.deliveries.records import FileNotMadeError

_INSERT: Final = """
insert into acknowledgement_files (
    destination, file_name, content_sha256, revision, outcome, batch_id, network, sequence,
    verdict_sha256, accepted_count, rejected_count, received_at, is_late, problem, is_alarming
)
values (
    %(destination)s, %(file_name)s, %(content_sha256)s, %(revision)s, %(outcome)s, %(batch_id)s,
    %(network)s, %(sequence)s, %(verdict_sha256)s, %(accepted_count)s, %(rejected_count)s,
    %(received_at)s, %(is_late)s, %(problem)s, %(is_alarming)s
)
"""
# Whoever records an acknowledgement of a file waits here for whoever does so already.
_LOCK_DELIVERY: Final = (
    "select program, clock_timestamp() > coalesce(delivered_at, made_at) + %s from deliveries"
    " where batch_id = %s and network = %s for update"
)
# What could not be read before, for lack of a key, is read as if it were new.
_FORGET: LiteralString = "delete from acknowledgement_files "
_UNREADABLE: LiteralString = " and outcome = 'unreadable'"
_SEEN: LiteralString = "update acknowledgement_files set revision = %(revision)s "
_REOPENED: LiteralString = "update acknowledgement_files set reopened_to = %(later)s "
_FIRST: Final = (
    "select verdict_sha256 from acknowledgement_files"
    " where batch_id = %s and network = %s and outcome = 'matched'"
)
_SETTLE: Final = (
    "update deliveries set state = 'delivered', last_error = null,"
    " delivered_at = coalesce(delivered_at, clock_timestamp())"
    " where batch_id = %s and network = %s and state <> 'delivered'"
)
_NOT_MISSING: Final = """
update missing_acknowledgements
set answered_at = (
    select a.read_at from acknowledgement_files as a
    where a.batch_id = %s and a.network = %s and a.outcome = 'matched'
)
where batch_id = %s and network = %s
"""
_REJECT: Final = """
insert into acknowledgement_rejections (
    batch_id, network, intake_id, row_number, case_number, stage, action_sequence, code, reason
)
select %s, %s, r.*
from unnest(
    %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[]
) as r
"""
# Rows that were rejected before are sent once more only when a person says so.
_REJECTED_BEFORE: Final = """
select r.intake_id, r.row_number
from unnest(%s::bigint[], %s::bigint[]) as r (intake_id, row_number)
where exists (
    select from waiting_disputes as w
    where w.intake_id = r.intake_id and w.row_number = r.row_number and w.reason = 'rejected'
)
"""
_MISSING: Final = """
select d.batch_id, d.network
from deliveries as d
inner join acknowledgement_polls as p on p.destination = %(polled)s
where
    d.destination = any(%(destinations)s)
    and d.state in ('delivered', 'delivered_unconfirmed')
    and d.made_at > clock_timestamp() - interval '60 days'
    and coalesce(d.delivered_at, d.made_at) + %(within)s < clock_timestamp()
    and coalesce(d.delivered_at, d.made_at) + %(within)s >= p.first_polled_at
    and not exists (
        select from acknowledgement_files as a
        where a.batch_id = d.batch_id and a.network = d.network and a.outcome = 'matched'
    )
    and not exists (
        select from missing_acknowledgements as m
        where m.batch_id = d.batch_id and m.network = d.network
    )
order by d.made_at, d.batch_id, d.network
"""


class PostgresAcknowledgements:
    """Implements cardops.ports.Acknowledgements. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def polling(self, destination: str) -> AbstractContextManager[None]:
        """One at a time reads a destination's folder."""
        return advisory_lock(self._url, f"acknowledgements/{destination}")

    def polled(self, destination: str, error: str | None) -> str | None:
        """Record that the folder was read, or why it was not; the error before, None at first."""
        return run_in_transaction(self._url, partial(_polled, destination=destination, error=error))

    def read_before(
        self, destination: str, names: Sequence[str]
    ) -> Mapping[str, StoredAcknowledgement]:
        """By file name, what was recorded last of these."""
        found = self._stored(
            "where destination = %(destination)s and file_name = any(%(names)s) order by read_at",
            {"destination": destination, "names": list(names)},
        )
        return {stored.file.file_name: stored for stored in found}

    def files_with(self, destinations: Sequence[str], sequence: int) -> Sequence[FileKey]:
        """The chargeback files of these destinations with that number."""
        return self._fetched(
            "select batch_id, network from deliveries"
            " where destination = any(%s) and sequence = %s order by destination",
            [list(destinations), sequence],
        )

    def record(
        self,
        file: ReceivedFile,
        acknowledgement: Acknowledgement,
        key: FileKey,
        rows: Sequence[RejectedRow],
        *,
        within: timedelta,
    ) -> StoredAcknowledgement:
        """Record one that fits, and what follows from it, in one transaction."""
        operation = partial(
            _record, file=file, acknowledgement=acknowledgement, key=key, rows=rows, within=within
        )
        return run_in_transaction(self._url, operation)

    def record_unmatched(
        self,
        file: ReceivedFile,
        outcome: AcknowledgementOutcome,
        problem: str,
        *,
        acknowledgement: Acknowledgement | None = None,
        key: FileKey | None = None,
        is_alarming: bool = True,
    ) -> StoredAcknowledgement:
        """Record one that fits no chargeback file; again: what is on record, which may alarm now."""
        values = values_of(file, outcome, acknowledgement, key) | {
            "problem": problem,
            "is_alarming": is_alarming,
        }
        return run_in_transaction(self._url, partial(_add_unmatched, values=values))

    def unalarmed(self, destination: str) -> Sequence[StoredAcknowledgement]:
        """Those about which nobody was told yet."""
        return self._stored(
            "where is_alarming and alarmed_at is null and destination = %(destination)s"
            " order by read_at",
            {"destination": destination},
        )

    def alarmed(self, file: ReceivedFile) -> None:
        """An alarm of it was sent."""
        update: LiteralString = "update acknowledgement_files set alarmed_at = clock_timestamp() "
        run_in_transaction(
            self._url, lambda session: session.execute(update + OF_FILE, identity(file))
        )

    def missing(self, destinations: Sequence[str], within: timedelta) -> Sequence[FileKey]:
        """Files that none came of within that time, and of which no alarm was sent yet."""
        values = {"destinations": list(destinations), "polled": destinations[0], "within": within}
        return self._fetched(_MISSING, values)

    def missing_alarmed(self, key: FileKey) -> None:
        """An alarm of it was sent."""
        insert: LiteralString = (
            "insert into missing_acknowledgements (batch_id, network) values (%s, %s)"
            " on conflict (batch_id, network) do nothing"
        )
        run_in_transaction(self._url, lambda session: session.execute(insert, key))

    def since(self, instant: datetime) -> Sequence[StoredAcknowledgement]:
        """Those that were read since then, newest first. Never cut."""
        return self._stored(
            "where read_at >= %(since)s order by read_at desc, destination, file_name",
            {"since": instant},
        )

    def of_batches(self, batch_ids: Sequence[str]) -> Sequence[StoredAcknowledgement]:
        """Those of the files of these batches, newest first."""
        return self._stored(
            "where batch_id = any(%(batches)s) order by read_at desc, destination, file_name",
            {"batches": list(batch_ids)},
        )

    def rejections(self, batch_id: str, network: str) -> Sequence[RejectedRow]:
        """The rejected lines of a chargeback file."""
        rows = self._fetched(
            "select intake_id, row_number, case_number, stage, action_sequence, code, reason"
            " from acknowledgement_rejections where batch_id = %s and network = %s"
            " order by intake_id, row_number",
            [batch_id, network],
        )
        return [rejection_of(network, row) for row in rows]

    def verdicts(self, first: datetime, end: datetime) -> Sequence[AcknowledgedRows]:
        """Rows by verdict: of files answered in that time, and of those missed before its end."""
        values = {"first": first, "end": end}
        return [verdict_of(row) for row in self._fetched(SELECT_VERDICTS, values)]

    def _stored(
        self, where: LiteralString, values: Mapping[str, object]
    ) -> list[StoredAcknowledgement]:
        return [stored_of(row) for row in self._fetched(SELECT + where, values)]

    def _fetched(
        self, query: LiteralString, values: Mapping[str, object] | Sequence[object]
    ) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self._url, lambda session: session.execute(query, values).fetchall()
        )


def _record(
    session: psycopg.Connection,
    *,
    file: ReceivedFile,
    acknowledgement: Acknowledgement,
    key: FileKey,
    rows: Sequence[RejectedRow],
    within: timedelta,
) -> StoredAcknowledgement:
    delivery = session.execute(_LOCK_DELIVERY, [within, *key]).fetchone()
    if delivery is None:
        raise FileNotMadeError(*key)
    session.execute(_FORGET + OF_FILE + _UNREADABLE, identity(file))
    before = _find(session, file)
    if before is not None:  # guard: acknowledgement-once
        # Written again without a change: it need not be read once more.
        session.execute(_SEEN + OF_FILE, {**identity(file), "revision": file.revision})
        return before
    first = session.execute(_FIRST, key).fetchone()
    outcome = _outcome(first, acknowledgement)
    values = values_of(file, outcome, acknowledgement, key)
    program, values["is_late"] = delivery
    if outcome is AcknowledgementOutcome.CONFLICTING:
        values |= {
            "problem": "it says otherwise than the first acknowledgement of the file, which stands",
            "is_alarming": True,
        }
    is_first = outcome is AcknowledgementOutcome.MATCHED
    if is_first:
        values["is_alarming"] = bool(rows) or values["is_late"]
    session.execute(_INSERT, values)
    if is_first:
        session.execute(_SETTLE, key)
        session.execute(_NOT_MISSING, [*key, *key])
        later = _reject(session, program, file, key, rows) if rows else None
        session.execute(
            _REOPENED + OF_FILE,
            {**identity(file), "later": later},
        )
    return _found(session, file)


def _outcome(
    first: tuple[str] | tuple[Any, ...] | None, acknowledgement: Acknowledgement
) -> AcknowledgementOutcome:
    if first is None:
        return AcknowledgementOutcome.MATCHED
    is_same = first[0] == acknowledgement.verdict_sha256
    return AcknowledgementOutcome.REPEATED if is_same else AcknowledgementOutcome.CONFLICTING


def _reject(
    session: psycopg.Connection,
    program: str,
    file: ReceivedFile,
    key: FileKey,
    rows: Sequence[RejectedRow],
) -> str | None:
    """The rows wait from now on; those that may reopen are in a new batch, whose id is returned."""
    columns = zip(*map(_rejection_values, rows), strict=True)
    session.execute(_REJECT, [*key, *map(list, columns)])
    ids = [[row.intake_id for row in rows], [row.row_number for row in rows]]
    before = {RowKey(*row) for row in session.execute(_REJECTED_BEFORE, ids)}
    hold_rows(session, program, key[0], [_waiting(program, key[0], row) for row in rows])
    keys = [RowKey(row.intake_id, row.row_number) for row in rows if row.may_reopen]
    again = [row for row in keys if row not in before]  # guard: reopened-once
    if not again:
        return None
    why = f"rejected in {file.file_name}"
    batch = release_rows(session, program, again, by="acknowledgements", why=why)
    return None if batch is None else batch.batch_id


def _waiting(program: str, batch_id: str, row: RejectedRow) -> WaitingDispute:
    return WaitingDispute(
        RowKey(row.intake_id, row.row_number),
        program,
        batch_id,
        row.network,
        row.line.key.case_number,
        row.line.key.stage,
        WaitReason.REJECTED.value,
        # The database's clock says since when.
        datetime.min.replace(tzinfo=UTC),
    )


def _rejection_values(row: RejectedRow) -> tuple[object, ...]:
    line = row.line
    key = line.key
    return (
        *(row.intake_id, row.row_number, key.case_number, key.stage, key.action_sequence),
        *(line.code, line.reason),
    )


def _add_unmatched(
    session: psycopg.Connection, values: Mapping[str, object]
) -> StoredAcknowledgement:
    if values["outcome"] != AcknowledgementOutcome.UNREADABLE:
        session.execute(_FORGET + OF_FILE + _UNREADABLE, values)
    session.execute(
        _INSERT + " on conflict (destination, file_name, content_sha256) do update"
        " set is_alarming = acknowledgement_files.is_alarming or excluded.is_alarming,"
        " revision = excluded.revision",
        values,
    )
    row = session.execute(SELECT + OF_FILE, values).fetchone()
    return stored_of(row or ())


def _polled(session: psycopg.Connection, destination: str, error: str | None) -> str | None:
    before = session.execute(
        "select last_error from acknowledgement_polls where destination = %s for update",
        [destination],
    ).fetchone()
    session.execute(
        "insert into acknowledgement_polls (destination, polled_at, last_error)"
        " values (%(name)s, case when %(error)s::text is null then clock_timestamp() end, %(error)s)"
        " on conflict (destination) do update set last_error = excluded.last_error,"
        " polled_at = coalesce(excluded.polled_at, acknowledgement_polls.polled_at)",
        {"name": destination, "error": error},
    )
    return before[0] if before else None


def _find(session: psycopg.Connection, file: ReceivedFile) -> StoredAcknowledgement | None:
    row = session.execute(SELECT + OF_FILE, identity(file)).fetchone()
    return stored_of(row) if row else None


def _found(session: psycopg.Connection, file: ReceivedFile) -> StoredAcknowledgement:
    stored = _find(session, file)
    if stored is None:
        raise AssertionError(f"{file.file_name} was recorded in this transaction")
    return stored
