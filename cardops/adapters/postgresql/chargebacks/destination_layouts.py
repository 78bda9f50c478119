"""Layouts of destinations in PostgreSQL: versions are added, never altered."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.chargebacks.layouts import StoredLayout

_IN_FORCE: Final = (
    "select destination, version from ("
    " select distinct on (destination) destination, version, layout from destination_layouts"
    " where program = %s order by destination, version desc"
    ") as last where layout is not null"
)
_ALL: Final = (
    "select program, destination, version, layout, set_by, why from destination_layouts"
    " where program = %s and destination = coalesce(%s, destination) order by destination, version"
)
_ADD: Final = (
    "insert into destination_layouts (program, destination, version, layout, set_by, why)"
    " select %(program)s, %(destination)s, coalesce(max(version), 0) + 1, %(layout)s,"
    " %(set_by)s, %(why)s from destination_layouts"
    " where program = %(program)s and destination = %(destination)s returning version"
)


class DestinationLayouts:
    """The part of the IntakeLedger port for layouts."""

    def __init__(self, url: str) -> None:
        self.url = url

    def layouts_in_force(self, program: str) -> Mapping[str, int]:
        """Destination -> version of the program's own layout; absent: the standard one."""
        rows = run_in_transaction(
            self.url, lambda session: session.execute(_IN_FORCE, [program]).fetchall()
        )
        return dict(rows)

    def layouts(self, program: str, destination: str | None = None) -> Sequence[StoredLayout]:
        """Every version, oldest first."""
        rows = run_in_transaction(
            self.url, lambda session: session.execute(_ALL, [program, destination]).fetchall()
        )
        return [StoredLayout(*row) for row in rows]

    def add_layout(
        self,
        program: str,
        destination: str,
        definition: Mapping[str, Any] | None,
        *,
        set_by: str,
        why: str,
    ) -> int:
        """The version that is in force for batches filed from now on."""
        values = {
            "program": program,
            "destination": destination,
            "layout": None if definition is None else Jsonb(dict(definition)),
            "set_by": set_by,
            "why": why,
        }
        return run_in_transaction(self.url, partial(_add, values=values))


def _add(session: psycopg.Connection, values: Mapping[str, object]) -> int:
    # Two people at once make two versions, one after the other.
    key = f"layouts/{values['program']}/{values['destination']}"
    session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
    row = session.execute(_ADD, values).fetchone()
    return int(row[0]) if row else 0
