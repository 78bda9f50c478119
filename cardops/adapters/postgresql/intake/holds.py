"""Held files as rows: the status of the file, and why it is held, in one commit.

Belongs here: holds, approvals and endings. A hold is open while it has no ending and its file is `held`.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, LiteralString

import psycopg

from cardops.adapters.postgresql.intake.rows import SELECT, file_of, outcome_text
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.files import FileOutcome, FileRecalledError, IntakeFile, Kind
from cardops.rules.intake.source_controls import (
    FileHold,
    FilePass,
    HoldEnding,
    HoldReason,
    person,
)

MAX_HELD_FILES: Final = 10_000
_OPEN_HOLDS: Final = (
    "select h.intake_id, h.reason, h.sentence, h.row_count, h.totals, h.seen_version, h.held_at,"
    " h.reported_at is not null, h.approvals_needed,"
    " array(select a.approved_by from file_approvals as a where a.intake_id = h.intake_id"
    " and a.hold_number = h.hold_number order by a.approved_at)"
    " from file_holds as h where h.intake_id = any(%s) and h.ending is null"
)
_HELD: Final = (
    "update intake_files set status = 'held', outcome = %s, ended_at = null, attempt_count = 0,"
    " attempt_series = attempt_series + 1 where intake_id = %s and status <> 'recalled'"
    " returning intake_id"
)
_NEW: Final = (
    "insert into file_holds"
    " (intake_id, hold_number, reason, sentence, row_count, totals, seen_version, approvals_needed)"
    " select %(intake_id)s, coalesce(max(hold_number), 0) + 1, %(reason)s, %(sentence)s,"
    " %(row_count)s, %(totals)s, %(seen_version)s, %(approvals_needed)s"
    " from file_holds where intake_id = %(intake_id)s"
)
_SAME: Final = (
    "update file_holds set sentence = %(sentence)s, seen_version = %(seen_version)s"
    " where intake_id = %(intake_id)s and ending is null and reason = %(reason)s"
    " and row_count = %(row_count)s and totals = %(totals)s::jsonb"
    " and approvals_needed = %(approvals_needed)s"
)
_END: Final = (
    "update file_holds set ending = %s, ended_by = %s, ended_reason = %s,"
    " ended_at = clock_timestamp() where intake_id = %s and ending is null returning intake_id"
)
_APPROVE: Final = (
    "insert into file_approvals (intake_id, hold_number, person, approved_by, reason)"
    " values (%s, %s, %s, %s, %s) on conflict (intake_id, hold_number, person) do nothing"
)
# Holds that ended before approvals had rows of their own were approved by one person.
_APPROVALS: Final = (
    "select coalesce(max(greatest(1, (select count(*) from file_approvals as a"
    " where a.intake_id = h.intake_id and a.hold_number = h.hold_number))), 0)"
    " from file_holds as h inner join intake_files as f using (intake_id)"
    " where f.content_sha256 = %s and f.program = %s and f.kind = %s and h.ending = 'approved'"
    " and h.row_count = %s and h.totals = %s::jsonb"
)


class FileHolds:
    """The part of SourceControls that is about held files."""

    def __init__(self, url: str) -> None:
        self.url = url

    def hold(self, intake_file: IntakeFile, hold: FileHold, outcome: FileOutcome) -> None:
        """Mark `held`, with attempts counted from 1 again; an open hold is replaced."""
        operation = partial(_hold, intake_file=intake_file, hold=hold, outcome=outcome)
        run_in_transaction(self.url, operation)

    def held(self, kind: Kind, program: str | None = None) -> Sequence[tuple[IntakeFile, FileHold]]:
        """Held files, oldest first, a bounded number."""
        return run_in_transaction(self.url, partial(_held, kind=kind, program=program))

    def mark_reported(self, intake_id: int) -> None:
        """An operator was told of the open hold."""
        self._rows(
            "update file_holds set reported_at = clock_timestamp()"
            " where intake_id = %s and ending is null and reported_at is null"
            " returning intake_id",
            intake_id,
        )

    def end_hold(self, intake_id: int, ending: HoldEnding, *, by: str, why: str) -> bool:
        """End the open hold otherwise than by approvals; False where there is none."""
        return run_in_transaction(
            self.url, lambda session: end_hold(session, intake_id, ending, by, why)
        )

    def approve(self, intake_id: int, *, by: str, why: str) -> FileHold | None:
        """Record an approval of the open hold; the last that is needed ends it. None: no hold."""
        return run_in_transaction(self.url, lambda session: _approve(session, intake_id, by, why))

    def approvals(self, intake_file: IntakeFile, file_pass: FilePass) -> int:
        """How many persons approved this content for the program with exactly these figures."""
        return run_in_transaction(
            self.url, lambda session: approvals(session, intake_file, file_pass)
        )

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self.url, lambda session: session.execute(query, values).fetchall()
        )


def open_hold(session: psycopg.Connection, intake_id: int) -> FileHold | None:
    """The file's hold that has no ending, or None."""
    row = session.execute(_OPEN_HOLDS, [[intake_id]]).fetchone()
    return None if row is None else _hold_of(row[1:])


def approvals(session: psycopg.Connection, intake_file: IntakeFile, file_pass: FilePass) -> int:
    """How many persons approved this content for the program with exactly these figures."""
    arrival = intake_file.arrival
    totals = json.dumps(dict(file_pass.totals_minor))
    row = session.execute(
        _APPROVALS,
        [arrival.content_sha256, arrival.program, arrival.kind, file_pass.row_count, totals],
    ).fetchone()
    return int(row[0]) if row else 0


def end_hold(
    session: psycopg.Connection, intake_id: int, ending: HoldEnding, by: str, why: str
) -> bool:
    """End the open hold; an approved file is claimed in the same commit."""
    is_ended = session.execute(_END, [ending.value, by, why, intake_id]).fetchone() is not None
    if is_ended and ending is HoldEnding.APPROVED:
        # From here on an interrupted approval is found as an unfinished file.
        session.execute(
            "update intake_files set status = 'claimed', outcome = null"
            " where intake_id = %s and status = 'held'",
            [intake_id],
        )
    return is_ended


def _approve(session: psycopg.Connection, intake_id: int, by: str, why: str) -> FileHold | None:
    row = session.execute(
        "select hold_number from file_holds where intake_id = %s and ending is null for update",
        [intake_id],
    ).fetchone()
    if row is None:
        return None
    session.execute(_APPROVE, [intake_id, row[0], person(by), by, why])
    hold = open_hold(session, intake_id)
    if hold is not None and len(hold.approved_by) >= hold.approvals_needed:
        end_hold(session, intake_id, HoldEnding.APPROVED, by, why)
    return hold


def _hold(
    session: psycopg.Connection, intake_file: IntakeFile, hold: FileHold, outcome: FileOutcome
) -> None:
    values = {
        "intake_id": intake_file.intake_id,
        "reason": hold.reason.value,
        "sentence": hold.sentence,
        "row_count": hold.row_count,
        "totals": json.dumps(dict(hold.totals_minor)),
        "seen_version": hold.seen_version,
        "approvals_needed": hold.approvals_needed,
    }
    if session.execute(_HELD, [outcome_text(outcome), intake_file.intake_id]).fetchone() is None:
        raise FileRecalledError(intake_file)
    if session.execute(_SAME, values).rowcount == 0:
        end_hold(session, intake_file.intake_id, HoldEnding.RESUMED, "cardops", "judged again")
        session.execute(_NEW, values)


def _held(
    session: psycopg.Connection, kind: Kind, program: str | None
) -> list[tuple[IntakeFile, FileHold]]:
    rows = session.execute(
        SELECT + "where status = 'held' and kind = %s and program = coalesce(%s, program)"
        " order by intake_id limit %s",
        [kind, program, MAX_HELD_FILES],
    ).fetchall()
    files = [file_of(row) for row in rows]
    found = session.execute(_OPEN_HOLDS, [[file.intake_id for file in files]]).fetchall()
    holds = {intake_id: _hold_of(hold) for intake_id, *hold in found}
    return [(file, holds[file.intake_id]) for file in files if file.intake_id in holds]


def _hold_of(row: Sequence[Any]) -> FileHold:
    reason, *rest, approved_by = row
    values = (HoldReason(reason), *rest, tuple(approved_by))
    return FileHold(*values)
