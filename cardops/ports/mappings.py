"""Mappings of senders' files: versions, which of them is in force, and who set it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cardops.rules.intake.files import Kind
    from cardops.rules.mappings.mapping import FileMapping
    from cardops.rules.mappings.versions import StoredMapping


class FileMappings(Protocol):
    """The mappings of every program and kind. The highest version is in force."""

    def add(
        self, program: str, kind: Kind, mapping: FileMapping, *, set_by: str, why: str
    ) -> StoredMapping:
        """Add a version, from now on in force; a mapping equal to the one in force adds none."""

    def find(self, program: str, kind: Kind, version: int | None = None) -> StoredMapping:
        """That version, or the one in force. Raises MappingMissingError."""

    def versions(
        self, program: str | None = None, kind: Kind | None = None
    ) -> Sequence[StoredMapping]:
        """All versions, of the program and kind if given, by program, kind and version."""
