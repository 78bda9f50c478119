"""Object stores by role, and the lake."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from cardops.ports import Lake, ObjectStore


class FileAdapters(InstanceAdapters):
    """Files of one instance."""

    def store(self, role: str) -> ObjectStore:
        """The object store of a role: raw, processed, failed or lake."""
        from cardops.adapters.object_stores.opening import open_store

        return open_store(self.settings.store_url(role), self.settings.kms_key)

    @cached_property
    def raw_store(self) -> ObjectStore:
        """Input files, never changed by Cardops."""
        return self.store("raw")

    @cached_property
    def processed_store(self) -> ObjectStore:
        """Chargeback files and their control files."""
        return self.store("processed")

    @cached_property
    def failed_store(self) -> ObjectStore:
        """Quarantined rows and refused files."""
        return self.store("failed")

    @cached_property
    def lake(self) -> Lake:
        """Parquet by business date; a remote lake is mirrored under the home."""
        from cardops.adapters.warehouse.lake import ParquetLake

        return ParquetLake(self.store("lake"), self.settings.home / "lake-mirror")
