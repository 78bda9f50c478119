"""Card programs with their keys and users."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from cardops.ports import Programs


class ProgramAdapters(InstanceAdapters):
    """What knows who may ask."""

    @cached_property
    def programs(self) -> Programs:
        """Card programs, API keys and blocked users."""
        from cardops.adapters.postgresql.programs.programs import PostgresPrograms

        return PostgresPrograms(self.database.url)
