"""Which assets and checks there are, explicitly: one module a subject, nothing found by scanning."""

from types import ModuleType
from typing import cast

import dagster as dg

from assets import (
    balances,
    chargeback_deliveries,
    chargeback_files,
    chargebacks,
    deposits,
    orders,
    reconciliation,
    transactions,
)
from assets import daily_report as report
from assets import transaction_log as log

MODULES: tuple[ModuleType, ...] = (
    deposits,
    transactions,
    orders,
    chargebacks,
    balances,
    log,
    reconciliation,
    chargeback_files,
    chargeback_deliveries,
)


def assets_of(*, with_dbt: bool) -> list[dg.AssetsDefinition]:
    """The assets. Without dbt, what a file's intake needs loads in half the time."""
    found = cast("list[dg.AssetsDefinition]", dg.load_assets_from_modules(MODULES))
    if not with_dbt:
        return found
    from assets.marts import marts_assets  # noqa: PLC0415 - dagster_dbt costs five seconds
    from cardops.adapters.warehouse.dbt import ensure_manifest  # noqa: PLC0415 - as above

    return [*found, *marts_assets(ensure_manifest()), report.daily_report]


def checks() -> list[dg.AssetChecksDefinition]:
    """Asset checks that stand beside their assets."""
    return list(dg.load_asset_checks_from_modules(MODULES))
