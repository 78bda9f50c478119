"""Where files are: the raw, processed and failed stores, the lake, and arrivals."""

import dagster as dg
from typing_extensions import override

from cardops.ports import Arrivals, Lake, ObjectStore
from resources.adapters import adapters


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """The store of a role (`raw`, `processed`, `failed`), as CARDOPS_<ROLE>_URL says."""

    role: str

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        return adapters().store(self.role)


class LakeResource(dg.ConfigurableResource[Lake]):
    """The lake at CARDOPS_LAKE_URL; a remote one is mirrored under the home."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        return adapters().lake


class ArrivalsResource(dg.ConfigurableResource[Arrivals]):
    """New files under `incoming/`, found by listing the raw store."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Arrivals:
        return adapters().arrivals
