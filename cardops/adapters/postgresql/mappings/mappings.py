"""FileMappings on PostgreSQL: versions are added, never changed."""

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import FileMapping, definition_of, mapping_of
from cardops.rules.mappings.versions import MappingMissingError, StoredMapping

_COLUMNS: Final = "program, kind, version, definition, set_by, why, set_at"
_VERSIONS: Final = f"""
select {_COLUMNS}
from file_mappings
where program = coalesce(%s, program) and kind = coalesce(%s, kind)
order by program, kind, version
"""  # noqa: S608 - only our own names
_FIND: Final = f"""
select {_COLUMNS}
from file_mappings
where program = %s and kind = %s and version = coalesce(%s, version)
order by version desc
limit 1
"""  # noqa: S608 - only our own names
_ADD: Final = f"""
insert into file_mappings (program, kind, version, definition, set_by, why)
values (%s, %s, %s, %s, %s, %s)
returning {_COLUMNS}
"""  # noqa: S608 - only our own names


class PostgresFileMappings:
    """Implements cardops.ports.FileMappings. Opens a session per call, since calls are rare."""

    def __init__(self, url: str) -> None:
        self._url = url

    def add(
        self, program: str, kind: Kind, mapping: FileMapping, *, set_by: str, why: str
    ) -> StoredMapping:
        """Add a version, from now on in force; a mapping equal to the one in force adds none."""

        def add_version(session: psycopg.Connection) -> StoredMapping:
            # Two people at once add two versions, one after the other.
            key = f"mappings/{program}/{kind}"
            session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            row = session.execute(_FIND, [program, kind, None]).fetchone()
            last = None if row is None else _stored(row)
            if last is not None and last.mapping == mapping:
                return last
            version = 1 if last is None else last.version + 1
            values = [program, kind, version, Jsonb(definition_of(mapping)), set_by, why]
            return _stored(session.execute(_ADD, values).fetchone() or ())

        return run_in_transaction(self._url, add_version)

    def find(self, program: str, kind: Kind, version: int | None = None) -> StoredMapping:
        """That version, or the one in force. Raises MappingMissingError."""
        row = run_in_transaction(
            self._url,
            lambda session: session.execute(_FIND, [program, kind, version]).fetchone(),
        )
        if row is None:
            raise MappingMissingError(program, kind, version)
        return _stored(row)

    def versions(
        self, program: str | None = None, kind: Kind | None = None
    ) -> Sequence[StoredMapping]:
        """All versions, of the program and kind if given, by program, kind and version."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_VERSIONS, [program, kind]).fetchall()
        )
        return [_stored(row) for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredMapping:
    program, kind, version, definition, set_by, why, set_at = row
    return StoredMapping(program, Kind(kind), version, mapping_of(definition), set_by, why, set_at)
