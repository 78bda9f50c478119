"""FileMappings in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime

from typing_extensions import override

from cardops.ports import FileMappings
from cardops.rules.intake.files import Kind
from cardops.rules.mappings.mapping import FileMapping
from cardops.rules.mappings.versions import MappingMissingError, StoredMapping

SET_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class FakeFileMappings(FileMappings):
    """Keeps versions in a list, in order."""

    def __init__(self) -> None:
        self.stored: list[StoredMapping] = []

    @override
    def add(
        self, program: str, kind: Kind, mapping: FileMapping, *, set_by: str, why: str
    ) -> StoredMapping:
        own = self.versions(program, kind)
        if own and own[-1].mapping == mapping:
            return own[-1]
        new = StoredMapping(program, kind, len(own) + 1, mapping, set_by, why, SET_AT)
        self.stored.append(new)
        return new

    @override
    def find(self, program: str, kind: Kind, version: int | None = None) -> StoredMapping:
        own = [one for one in self.versions(program, kind) if version in {None, one.version}]
        if not own:
            raise MappingMissingError(program, kind, version)
        return own[-1]

    @override
    def versions(
        self, program: str | None = None, kind: Kind | None = None
    ) -> Sequence[StoredMapping]:
        own = [
            one
            for one in self.stored
            if program in {None, one.program} and kind in {None, one.kind}
        ]
        return sorted(own, key=lambda one: (one.program, one.kind, one.version))
