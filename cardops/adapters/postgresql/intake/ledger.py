"""IntakeLedger on PostgreSQL: which files were seen, claimed and applied.

Belongs here: entries of files. Rows that wait for a reference are in `waiting`, files that are
ingested together in `grouped`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import partial
from typing import Any, Final, LiteralString

import psycopg

from cardops.adapters.postgresql.accounts.stage_tables import drop_stage
from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.chargebacks.destination_layouts import DestinationLayouts
from cardops.adapters.postgresql.chargebacks.filed_batches import (
    FiledBatches,
    move_to_later_batch,
)
from cardops.adapters.postgresql.intake.grouped import GroupedFiles
from cardops.adapters.postgresql.intake.rows import (
    RELEASED,
    SELECT,
    SELECT_RELEASED,
    claim_batch,
    claim_file,
    claim_files,
    file_of,
    find_batch,
    find_batch_mode,
    outcome_text,
)
from cardops.adapters.postgresql.intake.waiting import WaitingRows
from cardops.adapters.postgresql.mappings.mappings import PostgresFileMappings
from cardops.adapters.postgresql.transactions import one_session, run_in_transaction
from cardops.ports.intake import MAX_LISTED_FILES
from cardops.rules.intake.arrivals import released_prefix
from cardops.rules.intake.files import (
    Arrival,
    ChargebackBatch,
    DailyCounts,
    FileOutcome,
    FileRecalledError,
    FileStatus,
    IntakeFile,
    IntakeFileMissingError,
    Kind,
)
from cardops.rules.mappings.mapping import STRICT, FileMapping

# Nothing is credited from their staged rows any more.
_GIVEN_UP: Final = frozenset({FileStatus.DEAD, FileStatus.RECALLED})
_NEW_SERIES: LiteralString = " attempt_count = 0, attempt_series = attempt_series + 1"
# A refused file has applied nothing: a mapping that was set since may make it readable.
_MAPPING_IN_FORCE: LiteralString = (
    " mapping_version = case when status = 'refused' then ("
    " select max(m.version) from file_mappings as m"
    " where m.program = intake_files.program and m.kind = intake_files.kind"
    " ) else mapping_version end,"
)
_UPDATE: LiteralString = "update intake_files set "
_UNLESS_RECALLED: LiteralString = (
    " where intake_id = %s and status <> 'recalled' returning attempt_count"
)


class PostgresIntakeLedger(WaitingRows, GroupedFiles, FiledBatches, DestinationLayouts):
    """Implements cardops.ports.IntakeLedger. Holds no session between calls."""

    def known_versions(self, bucket: str, keys: Sequence[str]) -> set[tuple[str, str]]:
        """The (key, version) pairs of these keys that are claimed already."""
        rows = self._rows(
            "select key, version from intake_files where bucket = %s and key = any(%s)",
            bucket,
            list(keys),
        )
        return {(key, version) for key, version in rows}

    def claim(self, arrival: Arrival, business_date: date) -> tuple[IntakeFile, bool]:
        """The file's entry, and whether this call made it. A known file keeps its first date."""
        return run_in_transaction(self.url, lambda session: _claim(session, arrival, business_date))

    def claim_all(self, arrivals: Sequence[Arrival], business_date: date) -> list[IntakeFile]:
        """`claim` each of them in one commit; the entries that this call made, in the given order."""
        return run_in_transaction(
            self.url, lambda session: claim_files(session, arrivals, business_date)
        )

    def refuse(self, arrival: Arrival, business_date: date, outcome: FileOutcome) -> IntakeFile:
        """Claim a file and refuse it in one commit, so that no run ever takes it up."""
        operation = partial(_refuse, arrival=arrival, business_date=business_date, outcome=outcome)
        return run_in_transaction(self.url, operation)

    def refused_unread(self, kind: Kind, since: date) -> Sequence[IntakeFile]:
        """Files claimed since that UTC date that were refused before anything read them, by id."""
        # A refusal by a run names its contract; one by a person ended a hold.
        where = (
            "where kind = %s and business_date >= %s and status = 'refused'"
            " and jsonb_exists(outcome, 'contract_version')"
            " and outcome ->> 'contract_version' is null and not exists ("
            " select from file_holds as h where h.intake_id = intake_files.intake_id"
            ") order by intake_id"
        )
        return self._files(where, kind, since)

    def claim_batch(
        self, arrivals: Sequence[Arrival], business_date: date, *, mode: str
    ) -> ChargebackBatch | None:
        """Claim chargeback files of one program into one new batch; None where none is new."""
        return run_in_transaction(self.url, lambda s: claim_batch(s, arrivals, business_date, mode))

    def find(self, intake_id: int) -> IntakeFile:
        """Raises IntakeFileMissingError."""
        files = self._files("where intake_id = %s", intake_id)
        if not files:
            raise IntakeFileMissingError(intake_id)
        return files[0]

    def find_all(
        self,
        kind: Kind,
        *,
        intake_id: int | None = None,
        key: str | None = None,
        content_sha256: str | None = None,
        program: str | None = None,
    ) -> Sequence[IntakeFile]:
        """Files of the kind with this id, key or content, oldest first, of the program if given."""
        where = (
            "where kind = %s and (intake_id = %s or key = %s or content_sha256 = %s)"
            " and program = coalesce(%s, program) order by intake_id"
        )
        return self._files(where, kind, intake_id, key, content_sha256, program)

    def needing_attention(
        self, program: str | None = None, *, with_released: bool = False
    ) -> Sequence[IntakeFile]:
        """Files with rows that wait in quarantine, refused or dead, newest first, at most MAX_LISTED_FILES."""
        where = (
            # The first condition is that of the index.
            "where (status in ('refused', 'dead') or (outcome ->> 'quarantined')::bigint > 0)"
            " and (%s or status in ('refused', 'dead')"
            " or (outcome ->> 'quarantined')::bigint > " + RELEASED + ")"
            " and program = coalesce(%s, program) order by intake_id desc limit %s"
        )
        return self._files(where, with_released, program, MAX_LISTED_FILES)

    def release_counts(self, intake_ids: Sequence[int]) -> Mapping[int, int]:
        """Of each file how many quarantined rows were released."""
        return dict(self._rows(SELECT_RELEASED, list(intake_ids)))

    def released_by_hand(self, intake_id: int, row_numbers: Sequence[int]) -> None:
        """Record that a person released these quarantined rows."""
        run_in_transaction(
            self.url,
            lambda session: session.execute(
                "insert into quarantine_releases (intake_id, row_number)"
                " select %s, unnest(%s::bigint[]) on conflict do nothing",
                [intake_id, list(row_numbers)],
            ),
        )

    def released_from(self, origin: IntakeFile) -> Sequence[IntakeFile]:
        """Files made of released rows of this one, oldest first."""
        where = (
            "where strpos(key, '/released/') > 0"
            " and left(split_part(key, '/released/', 2), 12) = %s"
            " and bucket = %s and starts_with(key, %s) order by intake_id"
        )
        number, prefix = f"{origin.intake_id:012d}", released_prefix(origin)
        return self._files(where, number, origin.arrival.bucket, prefix)

    def recalled(self, kind: Kind, program: str, content_sha256: str) -> IntakeFile | None:
        """The first recalled file of the program with this content, or None."""
        where = (
            "where content_sha256 = %s and kind = %s and program = %s and status = 'recalled'"
            " order by intake_id limit 1"
        )
        files = self._files(where, content_sha256, kind, program)
        return files[0] if files else None

    def claimed_on(self, kind: Kind, business_date: date) -> Sequence[IntakeFile]:
        """Files of that kind and date, in claim order, whatever their status."""
        where = "where kind = %s and business_date = %s order by intake_id"
        return self._files(where, kind, business_date)

    def first_business_date(self) -> date:
        """The date of the first file or of the first program, whichever is earlier; today before both. In UTC."""
        ((first,),) = self._rows(
            "select coalesce(least("
            "(select business_date from intake_files order by intake_id limit 1),"
            " (select min((created_at at time zone 'UTC')::date) from programs)),"
            " (now() at time zone 'UTC')::date)"
        )
        assert isinstance(first, date)  # noqa: S101 - what the query yields
        return first

    def daily_counts(self, kind: Kind, first: date, last: date) -> Sequence[DailyCounts]:
        """Counts of the kind's files by business date, oldest first; dates without files are absent."""
        rows = self._rows(
            "select business_date, count(*), count(*) filter (where status = 'refused'),"
            " coalesce(sum((outcome ->> 'read')::bigint), 0)::bigint,"
            " coalesce(sum((outcome ->> 'quarantined')::bigint), 0)::bigint"
            " from intake_files where kind = %s and business_date between %s and %s"
            " group by business_date order by business_date",
            kind,
            first,
            last,
        )
        return [DailyCounts(*row) for row in rows]

    def unfinished(self, kind: Kind | None = None) -> Sequence[IntakeFile]:
        """Files claimed or applying, in claim order: also those that a crashed run left behind."""
        where = (
            "where status in ('claimed', 'applying') and kind = coalesce(%s, kind)"
            " order by intake_id"
        )
        return self._files(where, kind)

    def unfinished_before(self, intake_file: IntakeFile) -> Sequence[IntakeFile]:
        """The same of the file's kind and program, claimed before it."""
        where = (
            "where status in ('claimed', 'applying') and kind = %s and program = %s"
            " and intake_id < %s order by intake_id"
        )
        arrival = intake_file.arrival
        return self._files(where, arrival.kind, arrival.program, intake_file.intake_id)

    def batch(self, batch_id: str) -> ChargebackBatch:
        """The batch with all its files. Raises BatchMissingError."""
        return run_in_transaction(self.url, lambda session: find_batch(session, batch_id))

    def batch_mode(self, batch_id: str) -> str:
        """The batch's mode alone. Raises BatchMissingError."""
        return run_in_transaction(self.url, lambda session: find_batch_mode(session, batch_id))

    def one_session(self) -> AbstractContextManager[None]:
        """The calls of this thread on the database, also of other adapters, use one session."""
        return one_session(self.url)

    @contextmanager
    def exclusively(self, intake_id: int) -> Iterator[IntakeFile]:
        """Lock the file until the block ends (other holders wait); its current entry."""
        with advisory_lock(self.url, f"intake/{intake_id}"):
            yield self.find(intake_id)

    def alone_at(self, place: str) -> AbstractContextManager[None]:
        """Lock a place in a store until the block ends; other holders wait."""
        return advisory_lock(self.url, f"place/{place}")

    def begin(self, intake_id: int) -> int:
        """Mark `applying`; returns the attempt's number since the last success, from 1."""
        attempt = run_in_transaction(self.url, partial(_begin, intake_id=intake_id))
        if attempt is None:
            raise FileRecalledError(self.find(intake_id))
        return attempt

    def forget_attempt(self, intake_id: int) -> None:
        """The attempt begun last does not count: the file waited for another."""
        self._change(intake_id, "attempt_count = greatest(attempt_count - 1, 0)")

    def finish(self, intake_id: int, outcome: FileOutcome) -> None:
        """Record `applied`, or `refused` where the outcome has an error, with its counts.

        Attempts are counted from 1 again.
        """
        status = FileStatus.APPLIED if outcome.error is None else FileStatus.REFUSED
        self._change(
            intake_id,
            "status = %s, outcome = %s, ended_at = now()," + _NEW_SERIES,
            status.value,
            outcome_text(outcome),
        )

    def mark(self, intake_id: int, status: FileStatus) -> None:
        """Set the status only. The staged rows of a dead or recalled file are dropped with it."""
        run_in_transaction(self.url, partial(_mark, intake_id=intake_id, status=status))

    def restart(self, intake_id: int) -> None:
        """Mark `claimed`, with attempts counted from 1 again, as a person requested.

        Raises FileRecalledError, IntakeFileMissingError.
        """
        self._change(
            intake_id, "status = 'claimed', ended_at = null," + _MAPPING_IN_FORCE + _NEW_SERIES
        )

    def mapping_of(self, intake_file: IntakeFile) -> FileMapping | None:
        """The mapping with which the file is read; None where it is read as the contract says."""
        version, arrival = intake_file.mapping_version, intake_file.arrival
        if version is None:
            return None
        found = PostgresFileMappings(self.url).find(arrival.program, arrival.kind, version)
        return None if found.mapping == STRICT else found.mapping

    def reinstate(self, intake_id: int) -> None:
        """The same for any file, also a recalled one, whose deposits are credited again."""
        self._rows(
            _UPDATE
            + "status = 'claimed', ended_at = null,"
            + _NEW_SERIES
            + " where intake_id = %s returning intake_id",
            intake_id,
        )

    def _change(self, intake_id: int, change: LiteralString, *values: object) -> int:
        """Change a file that is not recalled. Raises FileRecalledError, IntakeFileMissingError."""
        rows = self._rows(_UPDATE + change + _UNLESS_RECALLED, *values, intake_id)
        if not rows:
            # A run whose lock was lost must not undo the state.
            raise FileRecalledError(self.find(intake_id))
        return int(rows[0][0])

    def _files(self, where: LiteralString, *values: object) -> list[IntakeFile]:
        return [file_of(row) for row in self._rows(SELECT + where, *values)]

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self.url, lambda session: session.execute(query, values).fetchall()
        )


def _begin(session: psycopg.Connection, intake_id: int) -> int | None:
    move_to_later_batch(session, intake_id)  # guard: later-batch
    change: LiteralString = (
        "status = 'applying', ended_at = null, attempt_count = attempt_count + 1"
    )
    row = session.execute(_UPDATE + change + _UNLESS_RECALLED, [intake_id]).fetchone()
    return None if row is None else int(row[0])


def _mark(session: psycopg.Connection, intake_id: int, status: FileStatus) -> None:
    changed = session.execute(
        _UPDATE + "status = %s, ended_at = case when %s then null else now() end"
        " where intake_id = %s",
        [status.value, status in {FileStatus.CLAIMED, FileStatus.APPLYING}, intake_id],
    )
    if changed.rowcount == 0:
        raise IntakeFileMissingError(intake_id)
    if status in _GIVEN_UP:
        drop_stage(session, intake_id)


def _claim(
    session: psycopg.Connection, arrival: Arrival, business_date: date
) -> tuple[IntakeFile, bool]:
    is_new = claim_file(session, arrival, business_date)
    where: LiteralString = "where bucket = %s and key = %s and content_sha256 = %s"
    identity = [arrival.bucket, arrival.key, arrival.content_sha256]
    if not is_new:
        # The same content was put there again: record its version, so that it is not read again.
        session.execute(
            _UPDATE + "version = %s " + where + " and version <> %s",
            [arrival.version, *identity, arrival.version],
        )
    row = session.execute(SELECT + where, identity).fetchone()
    if row is None:
        raise IntakeFileMissingError(0)
    return file_of(row), is_new


def _refuse(
    session: psycopg.Connection, arrival: Arrival, business_date: date, outcome: FileOutcome
) -> IntakeFile:
    intake_file, _ = _claim(session, arrival, business_date)
    session.execute(
        _UPDATE
        + "status = 'refused', outcome = %s, ended_at = now(),"
        + _NEW_SERIES
        + " where intake_id = %s and status in ('claimed', 'refused')",
        [outcome_text(outcome), intake_file.intake_id],
    )
    row = session.execute(SELECT + "where intake_id = %s", [intake_file.intake_id]).fetchone()
    return intake_file if row is None else file_of(row)
