"""Where files are: raw, processed and failed stores, and the lake."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.ports import Lake, ObjectStore
from cardops.settings import Settings


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """The store of a role (`raw`, `processed`, `failed`), as CARDOPS_<ROLE>_URL says."""

    role: str

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        return open_store(Settings.load().store_url(self.role))


class LakeResource(dg.ConfigurableResource[Lake]):
    """The lake at CARDOPS_LAKE_URL; a remote one is mirrored under the home."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        settings = Settings.load()
        return ParquetLake(open_store(settings.store_url("lake")), settings.home / "lake-mirror")
