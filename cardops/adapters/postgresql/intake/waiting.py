"""Quarantined rows that wait for a reference, in PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.files import IntakeFile, Kind

IDS_A_QUERY: Final = 10_000


class WaitingRows:
    """The part of the IntakeLedger port for rows that wait."""

    def __init__(self, url: str) -> None:
        self.url = url

    def wait_for(self, intake_file: IntakeFile, references: Mapping[int, str]) -> None:
        """Record quarantined rows (row number -> id they wait for); replaces earlier ones.

        A released row stays released: another file has it by now.
        """
        run_in_transaction(self.url, lambda session: _wait(session, intake_file, references))

    def waiting(
        self, kind: Kind, program: str, reference_ids: Sequence[str]
    ) -> Mapping[int, Sequence[int]]:
        """Unreleased rows of that kind that wait for one of these ids: intake id -> rows."""
        found: dict[int, list[int]] = defaultdict(list)
        for ids in _portions(reference_ids):
            select = partial(_waiting, kind=kind, program=program, ids=ids)
            for intake_id, row_number in run_in_transaction(self.url, select):
                found[intake_id].append(row_number)
        return {intake_id: sorted(found[intake_id]) for intake_id in sorted(found)}

    def released(self, rows: Mapping[int, Sequence[int]], released_to: int) -> None:
        """Record that these rows were released because of the file `released_to`."""
        pairs = [(file, row) for file, numbers in rows.items() for row in numbers]
        run_in_transaction(self.url, lambda session: _release(session, pairs, released_to))

    def released_rows(self, intake_id: int) -> frozenset[int]:
        """Numbers of the file's rows that waited and were released into another file."""
        rows = run_in_transaction(self.url, partial(_released_rows, intake_id=intake_id))
        return frozenset(row_number for (row_number,) in rows)


def _wait(
    session: psycopg.Connection, intake_file: IntakeFile, references: Mapping[int, str]
) -> None:
    arrival = intake_file.arrival
    session.execute(
        "delete from waiting_rows where intake_id = %s and released_to is null"
        " and row_number <> all(%s)",
        [intake_file.intake_id, list(references)],
    )
    session.execute(
        "insert into waiting_rows (intake_id, row_number, kind, program, reference_id)"
        " select %s, row_number, %s, %s, reference_id"
        " from unnest(%s::bigint[], %s::text[]) as waits (row_number, reference_id)"
        " on conflict (intake_id, row_number) do nothing",
        [
            intake_file.intake_id,
            arrival.kind,
            arrival.program,
            list(references.keys()),
            list(references.values()),
        ],
    )


def _waiting(
    session: psycopg.Connection, kind: Kind, program: str, ids: list[str]
) -> list[tuple[int, int]]:
    return session.execute(
        "select intake_id, row_number from waiting_rows where released_to is null"
        " and program = %s and kind = %s and reference_id = any(%s)",
        [program, kind, ids],
    ).fetchall()


def _released_rows(session: psycopg.Connection, intake_id: int) -> list[tuple[int]]:
    return session.execute(
        "select row_number from waiting_rows where intake_id = %s and released_to is not null",
        [intake_id],
    ).fetchall()


def _release(session: psycopg.Connection, rows: list[tuple[int, int]], released_to: int) -> None:
    session.execute(
        "update waiting_rows as w set released_to = %s"
        " from unnest(%s::bigint[], %s::bigint[]) as rows (intake_id, row_number)"
        " where w.intake_id = rows.intake_id and w.row_number = rows.row_number",
        [released_to, [file for file, _ in rows], [row for _, row in rows]],
    )


def _portions(reference_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(reference_ids), IDS_A_QUERY):
        yield list(reference_ids[start : start + IDS_A_QUERY])
